"""Explains why a document is in or out: its derivation, each step with the recipe's line, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipec import plugins
from recipec.audit import flips, places
from recipec.database import confinement
from recipec.database.sql import literal
from recipec.dataset import read_manifest, tables
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.ir import model
from recipec.ir.execution import Manifest
from recipec.ir.expressions import Frozen, Score
from recipec.ir.selection import Cell
from recipec.numbers import exact, percent, plain
from recipec.places import remote, stores
from recipec.places.state import STATE
from recipec.scoring import matching
from recipec.scoring.by_model import wanted
from recipec.scoring.matching import Match

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Step(Frozen):
    """One step of a derivation: its name, its result, and the recipe's line that decided it."""

    name: str
    says: str
    origin: model.Origin | None = None


class Explanation(Frozen):
    """The explanation of one document.

    Attributes:
        row: the document's row of the ledger, by column.
        neurons: per score by a target's neurons, those that the document shares.
        flips: changes of a single thing that would include (or exclude) the document, the smallest change first.
    """

    source: str
    doc_id: str
    copies: int
    reason: str
    row: dict[str, Any]
    steps: tuple[Step, ...]
    flips: tuple[flips.Flip, ...]
    neurons: tuple[Match, ...] = ()


def explain(
    connection: DuckDBPyConnection,
    dataset: Path,
    doc_id: str,
    source: str | None = None,
    allowed: Sequence[Path] = (),
) -> tuple[Explanation, ...]:
    """Explains a document: one explanation per source that has a document with this id.

    Args:
        allowed: places outside of the dataset and its project from which neurons may be read (`audit.places`).

    Raises:
        Failure: the dataset has no such candidate.
    """
    manifest = read_manifest(dataset)
    ledger = _ledger(dataset, manifest)
    condition = f"doc_id = {literal(doc_id)}" + (f" AND source = {literal(source)}" if source is not None else "")
    rows = _rows(connection, f"SELECT * FROM {ledger} WHERE {condition} ORDER BY source, shard, row")
    if not rows:
        raise _unknown(connection, ledger, doc_id, source)
    may_read = not places.elsewhere(dataset, manifest, allowed)
    return tuple(_explanation(manifest, row, _matches(connection, manifest, row) if may_read else ()) for row in rows)


def folders(dataset: Path, allowed: Sequence[Path] = ()) -> tuple[list[Path], tuple[Diagnostic, ...]]:
    """Where the files are that an explanation of a document of a dataset may need.

    Args:
        allowed: as in `explain`.

    Returns:
        the folders, and warnings of those that are left out (`audit.places.elsewhere`).

    Raises:
        Failure: the dataset's own files lie elsewhere.
    """
    manifest = read_manifest(dataset)
    ledger = [dataset / file.path for file in manifest.ledger]
    places.check(dataset, ledger, allowed)
    own = [dataset, *confinement.folders_of(ledger)]
    if left_out := places.elsewhere(dataset, manifest, allowed):
        return own, left_out
    folder = Path(manifest.recipe.folder)
    return [*own, folder, *confinement.folders_of(_readable(manifest, folder))], ()


def _readable(manifest: Manifest, folder: Path) -> Iterator[Path]:
    """The shards of a dataset, without those in stores whose clients are not installed: an explanation can do without."""
    for shard in manifest.shards:
        path = remote.at(shard.path, folder)
        if not isinstance(path, remote.Remote) or stores.is_installed(path.url):
            yield path


def _ledger(dataset: Path, manifest: Manifest) -> str:
    return tables([dataset / file.path for file in manifest.ledger])


def _rows(connection: DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _unknown(connection: DuckDBPyConnection, ledger: str, doc_id: str, source: str | None) -> Failure:
    near = connection.execute(
        f"SELECT DISTINCT doc_id FROM {ledger} WHERE starts_with(doc_id, {literal(doc_id[:3])}) "
        f"ORDER BY levenshtein(doc_id, {literal(doc_id[:200])}), doc_id LIMIT 3"
    ).fetchall()
    where = f" of source `{source}`" if source is not None else ""
    helps = did_you_mean(doc_id, [row[0] for row in near])
    return Failure(Diagnostic("R0801", f"the dataset has no candidate document `{doc_id}`{where}", helps=helps))


def _matches(connection: DuckDBPyConnection, manifest: Manifest, row: dict[str, Any]) -> tuple[Match, ...]:
    """The neurons behind a document's scores, if the shards, features and packages of plug-ins still exist."""
    recipe = manifest.recipe
    number = next((n for n, source in enumerate(recipe.sources) if source.name == row["source"]), None)
    shard = next((s for s in manifest.shards if (s.source, s.path) == (row["source"], row["shard"])), None)
    gone = {call.plugin for call in recipe.scores if call.plugin is not None and plugins.changes([call.plugin])}
    calls = {call.name: call for call in recipe.scores if call.plugin not in gone and wanted(call) is not None}
    if number is None or shard is None or not calls or row["rejected_by"] is not None or row["bad"] is not None:
        return ()
    folder = Path(recipe.folder)
    text = matching.text(connection, recipe.sources[number], shard, folder, row["row"])
    found = []
    for criterion in recipe.criteria if text is not None else ():
        value = criterion.values[number]
        if isinstance(value, Score) and value.name in calls and text is not None:
            found.append(matching.match(connection, recipe, folder / STATE, criterion.name, calls[value.name], text))
    return tuple(match for match in found if match is not None)


def _explanation(manifest: Manifest, row: dict[str, Any], matches: tuple[Match, ...]) -> Explanation:
    recipe = manifest.recipe
    cell = next(
        (c for c in manifest.selection.cells if (c.domain, c.nest) == (row["domain"], row.get("nest") or 0)), None
    )
    return Explanation(
        source=row["source"],
        doc_id=row["doc_id"],
        copies=row["copies"],
        reason=row["reason"],
        row=row,
        steps=tuple(_steps(recipe, manifest, row, cell, matches)),
        neurons=matches,
        flips=flips.flips(recipe, row, cell),
    )


def _steps(
    recipe: model.Recipe, manifest: Manifest, row: dict[str, Any], cell: Cell | None, matches: tuple[Match, ...]
) -> Iterator[Step]:
    source = next((s for s in recipe.sources if s.name == row["source"]), None)
    yield Step(name="read", says=f"row {row['row']} of {row['shard']}", origin=source.origin if source else None)
    if row["bad"] is not None:
        value = f": {row['evidence']}" if row["evidence"] else ""
        yield Step(name="unreadable", says=f"{row['bad']}{value}")
        return
    yield Step(name="domain", says=f"{row['domain']}, {row['tokens']:,} tokens")
    yield from _filters(recipe, row)
    if row["rejected_by"] is not None:
        return
    yield from _scores(recipe, manifest, row, {match.criterion: match for match in matches})
    yield from _expectation(recipe, row)
    if recipe.before:
        copies = (
            f"{row['before']:,} cop{'y' if row['before'] == 1 else 'ies'} drawn, Σ e = {plain(row['spent'], 6)} of them"
        )
        yield Step(name="earlier phases", says=copies, origin=recipe.before[-1].origin)
    yield from _allocation(recipe, row, cell)
    yield from _draw(recipe, row)


def _filters(recipe: model.Recipe, row: dict[str, Any]) -> Iterator[Step]:
    clauses = recipe.clauses
    if row["rejected_by"] is None:
        if clauses:
            yield Step(name="filters", says=f"passes {'all ' if len(clauses) > 1 else ''}{len(clauses)}")
        return
    clause = next((c for c in clauses if c.text == row["rejected_by"]), None)
    evidence = f"; found: {row['evidence']}" if row["evidence"] else ""
    yield Step(
        name="rejected by", says=f"where {row['rejected_by']}{evidence}", origin=clause.origin if clause else None
    )


def _scores(recipe: model.Recipe, manifest: Manifest, row: dict[str, Any], matches: dict[str, Match]) -> Iterator[Step]:
    stats = {one.criterion: one for one in manifest.selection.stats}
    weights = weights_of(recipe, row["domain"])
    for criterion in recipe.criteria:
        value = row[f"score_{criterion.name}"]
        one = stats.get(criterion.name)
        raw = "missing, so the worst of the pool" if value is None else plain(value, 6)
        says = f"{raw} ({criterion.direction} is better)"
        if row.get(f"exact_{criterion.name}") is False and value is not None:
            says = f"{raw} (predicted, not run through the model; {criterion.direction} is better)"
        if one is not None:
            says += f", pool {plain(one.mean)} ± {plain(one.std)}"
        if weights:
            says += f", weight {plain(weights.get(criterion.name, 0.0), 6)}"
        yield Step(name=f"score {criterion.name}", says=says, origin=criterion.origin)
        if criterion.name in matches:
            yield Step(name="neurons", says=_neurons(matches[criterion.name]))
    if row["merged"] is not None:
        origin = next((b.origin for b in _weight_blocks(recipe, row["domain"])), None)
        says = f"{plain(row['merged'], 6)} (smaller is better; {recipe.quality.normalize} of each score × its weight)"
        yield Step(name="merged", says=says, origin=origin)
    if row["rank"] is not None:
        yield Step(name="rank", says=f"{row['rank']:.6f}: {_meaning(recipe, row)}")


SHOWN = 4
"""Number of neurons shown; --json has all of them."""


def _neurons(match: Match) -> str:
    """The neurons that contributed most, and the number of shared ones, in words."""
    total = sum(one.gave for one in match.neurons)
    most = ", ".join(f"{one.layer}/{one.neuron} {one.gave / total:.1%}" for one in match.neurons[:SHOWN])
    shared = f"{len(match.neurons)} of {match.of} are among those of {match.target}"
    return f"{shared}; most of the score (layer/neuron): {most}" if match.neurons else shared


def _meaning(recipe: model.Recipe, row: dict[str, Any]) -> str:
    if not isinstance(recipe.sample, model.Top):
        return f"{row['rank']:.2%} of the tokens of {row['domain']} are as good or better"
    parts = max(1, len(recipe.sample.criteria))
    better = f"{row['rank'] / parts:.2%} of the pool's tokens are as good or better"
    return better if parts == 1 else f"{better} by its best criterion, × {parts} that share"


def _weight_blocks(recipe: model.Recipe, domain: str) -> list[model.Weights]:
    own = [block for block in recipe.quality.weights if block.domain == domain]
    return own or [block for block in recipe.quality.weights if block.domain is None]


def weights_of(recipe: model.Recipe, domain: str) -> dict[str, float]:
    """The weights α of a domain by criterion."""
    return {name: weight for block in _weight_blocks(recipe, domain) for name, weight in block.weights}


def _expectation(recipe: model.Recipe, row: dict[str, Any]) -> Iterator[Step]:
    match recipe.sample:
        case model.Quadmix():
            curve = flips.curve_of(recipe.sample, row["domain"])
            words = {"lambda": curve.lambda_, "omega": curve.omega, "eta": curve.eta, "epsilon": curve.epsilon}
            numbers = ", ".join(f"{word} {plain(value, 6)}" for word, value in words.items())
            place = "within omega" if row["rank"] <= curve.omega else "beyond omega, so epsilon alone"
            yield Step(
                name="expected", says=f"S = {plain(row['expected'], 6)} ({place}; {numbers})", origin=curve.origin
            )
        case model.Top(share=share):
            place = "within" if row["rank"] <= share else "beyond"
            yield Step(
                name="expected",
                says=f"S = {plain(row['expected'], 6)} ({place} the top {percent(share)})",
                origin=recipe.sample.origin,
            )
        case model.All():
            yield Step(name="expected", says="S = 1 (all)", origin=recipe.sample.origin)


def _allocation(recipe: model.Recipe, row: dict[str, Any], cell: Cell | None) -> Iterator[Step]:
    if cell is not None and cell.target is not None:
        bound = f", bound by {cell.binds}" if cell.binds else ""
        quota = next((q.origin for q in recipe.quotas if q.domain == cell.domain), None)
        says = f"asked {cell.asked:.2%}, planned {cell.weight:.2%} = {cell.target:,.0f} tokens{bound}"
        origin = quota or recipe.mixture.origin or (recipe.budget.origin if recipe.budget else None)
        yield Step(name="domain share", says=says, origin=origin)
        said = f"c = {plain(row['scale'], 6)}: the largest at which the drawn tokens ({cell.drawn_tokens:,}) stay within that"
    else:
        said = f"c = {plain(row['scale'], 6)}: nothing sets how many tokens"
    yield Step(name="scale", says=said, origin=recipe.budget.origin if recipe.budget else None)
    if row["reason"] == "oversize":
        says = f"left out: its {row['tokens']:,} tokens are more than what was left of that (`oversize skip`)"
        yield Step(name="oversize", says=says, origin=None)
    elif row["cap"] is not None:
        limit = flips.repeat_of(recipe, row["domain"])
        says = f"at most {exact(row['cap'])} copies"
        yield Step(name="repetition limit", says=says, origin=limit.origin if limit else None)


def _draw(recipe: model.Recipe, row: dict[str, Any]) -> Iterator[Step]:
    cap = "" if row["cap"] is None else f", {exact(row['cap'])}"
    e = row["scale"] * row["expected"]
    least = (
        f"min({plain(row['scale'], 6)} × {plain(row['expected'], 6)}{cap})"
        if cap
        else f"{plain(row['scale'], 6)} × {plain(row['expected'], 6)}"
    )
    e = e if row["cap"] is None else min(e, row["cap"])
    number = "hash of seed, source and id"
    if recipe.before:
        number = f"{number}, and what earlier phases left of it: + {row['before']} − {plain(row['spent'], 6)}"
    says = f"⌈e − u⌉ with e = {least} = {plain(e, 6)}, u = {row['draw']:.6f} ({number}) → {row['copies']}"
    yield Step(name="copies", says=says)
