"""Recomputes every decision of a ledger from its figures, the recipe and the seed.

draw      u from md5 of (seed, source, doc_id)
rank      share of the domain's tokens whose merged score is not above the document's
expected  the curve at the rank
copies    ⌈min(scale · expected, cap) − draw⌉, at least 0
reason    from all of these
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from recipec.database.sql import SEPARATOR, literal
from recipec.diagnostics import Diagnostic
from recipec.ir import model
from recipec.ir.execution import Manifest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TOLERANCE = 1e-9
"""Relative error allowed for exp and division on another machine; everything else is compared exactly."""

SPREAD = 1 << 26
"""Moves the low bits of a draw to the front: a second draw."""

STEP = 2.0**-40
"""Expected copies are multiples of this."""

SHOWN = 3
"""The number of documents named per rule."""


def check(connection: DuckDBPyConnection, described: Manifest, ledger: str) -> Iterable[Diagnostic]:
    """The differences between a ledger and the recipe, with a few documents per rule; then the wrong totals."""
    recipe = described.recipe
    pool = "(bad IS NULL AND rejected_by IS NULL)"
    rules = (
        ("draw", f"CASE WHEN {pool} THEN {_draw(recipe)} ELSE draw IS NULL END"),
        ("expected", f"NOT {pool} OR {_near('expected', expected(recipe), STEP)}"),
        ("cap", f"NOT {pool} OR reason = 'oversize' OR {_cap(recipe)}"),
        ("copies", f"CASE WHEN {pool} THEN copies = {COPIES} ELSE copies = 0 END"),
        ("reason", _reason(recipe)),
    )
    yield from _broken(connection, ledger, rules)
    if not isinstance(recipe.sample, model.Top):
        yield from _broken(
            connection,
            _ranked(recipe, ledger, pool),
            (("rank", f"CASE WHEN merged IS NULL THEN rank IS NULL ELSE {_near('rank', 'again')} END"),),
        )
    yield from _check_totals(connection, described, ledger)


COPIES = "greatest(0, ceil(least(scale * expected, coalesce(cap, CAST('inf' AS DOUBLE))) - draw))"


def draw(seed: int) -> str:
    """SQL of u, the document's own number in (0, 1)."""
    text = f" || {literal(SEPARATOR)} || ".join((literal(str(seed)), "source", "doc_id"))
    return f"(((md5_number_lower({text}) >> 12) + 0.5 :: DOUBLE) / 4503599627370496.0 :: DOUBLE)"


def _draw(recipe: model.Recipe) -> str:
    """SQL that checks that u is the document's own number, or what earlier phases left of it."""
    if not recipe.before:
        return f"draw = {draw(recipe.seed)}"
    left = f"greatest(0, least({draw(recipe.seed)} + before - spent, 1))"
    return f"abs(draw - {left}) <= {TOLERANCE} AND draw >= 0 AND draw < 1"


def expected(recipe: model.Recipe) -> str:
    """SQL of S_i over `domain` and `rank`."""
    match recipe.sample:
        case model.All():
            return "1.0"
        case model.Top():
            return f"(CASE WHEN rank <= {literal(recipe.sample.share)} THEN 1.0 ELSE 0.0 END)"
        case model.Quadmix():
            return _by_domain({curve.domain: _curve(curve) for curve in recipe.sample.curves})


def _curve(curve: model.Curve) -> str:
    lambda_, omega, eta, epsilon = (
        literal(float(value)) for value in (curve.lambda_, curve.omega, curve.eta, curve.epsilon)
    )
    body = f"pow(2 / (1 + exp(- {lambda_} * ({omega} - rank))), {eta}) + {epsilon}"
    return f"CASE WHEN rank <= {omega} THEN {body} ELSE {epsilon} END"


def _by_domain(values: dict[str | None, str]) -> str:
    """SQL of the value of the row's domain; key None is for every domain without its own."""
    general = values.get(None, "NULL")
    own = "".join(f" WHEN {literal(key)} THEN {value}" for key, value in values.items() if key is not None)
    return f"(CASE domain{own} ELSE {general} END)" if own else f"({general})"


def _near(left: str, right: str, more: float = 0.0) -> str:
    return f"(abs({left} - {right}) <= {TOLERANCE} * abs({right}) + {more!r})"


def _cap(recipe: model.Recipe) -> str:
    """SQL that checks that a limit is not above the recipe's own, and exists only if the recipe has one."""
    limits = {
        repeat.domain: "NULL" if repeat.most is None else literal(repeat.most)
        for repeat in recipe.repeats
        if not repeat.per_document
    }
    limit = _by_domain(limits)
    if recipe.before:
        limit = f"({limit} - before)"
    if any(repeat.per_document for repeat in recipe.repeats):
        return f"(coalesce(cap <= {limit}, cap >= 0, {limit} IS NULL))"
    return f"(cap IS NOT DISTINCT FROM CAST({limit} AS DOUBLE))"


def _reason(recipe: model.Recipe) -> str:
    """SQL that checks that a reason agrees with the figures."""
    match recipe.sample:
        case model.Quadmix(curves=curves):
            omegas = _by_domain({curve.domain: literal(float(curve.omega)) for curve in curves})
            beyond = f"(rank > {omegas})"
            tail = beyond
        case model.Top(share=share):
            beyond, tail = f"(rank > {literal(share)})", "false"
        case model.All():
            beyond = tail = "false"
    return f"""
        CASE WHEN bad IS NOT NULL THEN reason = 'unreadable'
            WHEN rejected_by IS NOT NULL THEN reason = 'filtered'
            WHEN copies > 0 THEN reason = CASE WHEN {tail} THEN 'selected_tail' ELSE 'selected' END
            WHEN reason = 'quota_zero' THEN scale = 0
            WHEN reason = 'capped' THEN cap = 0
            WHEN reason = 'oversize' THEN cap = 0 AND {literal(recipe.oversize == "skip")}
            WHEN cap = 0 THEN false
            ELSE reason = CASE WHEN {beyond} THEN 'below_threshold' ELSE 'not_drawn' END
        END
    """


def _ranked(recipe: model.Recipe, ledger: str, pool: str) -> str:
    """SQL of the ranks as `again`; under `ties split`, equally good documents are in the order of another draw."""
    order = "merged"
    if recipe.quality.ties == "split":
        spread = f"{draw(recipe.seed)} * {SPREAD}"
        order = f"merged, {spread} - floor({spread})"
    return f"""(
        SELECT source, doc_id, merged, rank, sum(tokens) OVER (PARTITION BY domain ORDER BY {order})
            / CAST(sum(tokens) OVER (PARTITION BY domain) AS DOUBLE) AS again
        FROM {ledger} WHERE {pool})
    """


def _broken(connection: DuckDBPyConnection, relation: str, rules: Iterable[tuple[str, str]]) -> Iterable[Diagnostic]:
    """The diagnostics for rows that violate a rule, all rules in one pass; null counts as a violation."""
    names, conditions = zip(*rules, strict=True)
    broken = [f"({condition}) IS NOT TRUE" for condition in conditions]
    counts = ", ".join(f"count(*) FILTER ({test}), min((source, doc_id), {SHOWN}) FILTER ({test})" for test in broken)
    values = connection.execute(f"SELECT {counts} FROM {relation}").fetchall()[0]
    for name, number, examples in zip(names, values[::2], values[1::2], strict=True):
        if not number:
            continue
        shown = ", ".join(f"`{doc_id}` of `{source}`" for source, doc_id in (tuple(_parts(e)) for e in examples or ()))
        yield Diagnostic("R0626", f"`{name}` of {number:,} ledger rows differs from what the recipe derives: {shown}")


def _parts(example: object) -> Iterable[object]:
    return example.values() if isinstance(example, dict) else example  # type: ignore[return-value]  # a tuple of two


def _check_totals(connection: DuckDBPyConnection, described: Manifest, ledger: str) -> Iterable[Diagnostic]:
    as_rows = described.recipe.output is None or described.recipe.output.copies == "rows"
    rows = connection.execute(
        f"""
        SELECT domain, count(*), CAST(sum({"copies" if as_rows else "1"}) AS BIGINT),
            CAST(sum(copies * CAST(tokens AS HUGEINT)) AS BIGINT)
        FROM {ledger} WHERE copies > 0 GROUP BY domain ORDER BY domain
        """
    ).fetchall()
    stated = {total.domain: (total.documents, total.rows, total.tokens) for total in described.domains}
    derived = {row[0]: row[1:] for row in rows}
    for domain in sorted(stated.keys() | derived.keys()):
        if stated.get(domain) != derived.get(domain):
            yield _total(f"the totals of domain `{domain}`")
    candidates = connection.execute(f"SELECT count(*) FROM {ledger}").fetchall()[0][0]
    if candidates != described.selection.candidates:
        yield _total(f"the {described.selection.candidates:,} candidates")
    if (sum(row[2] for row in rows), sum(row[3] for row in rows)) != (described.rows, described.tokens):
        yield _total("the rows and tokens")
    yield from _check_reasons(connection, described, ledger)


def _check_reasons(connection: DuckDBPyConnection, described: Manifest, ledger: str) -> Iterable[Diagnostic]:
    """Checks the table of reasons; unreadable rows have only a reliable location, so they are counted together."""
    rows = connection.execute(
        f"SELECT reason, coalesce(bad, rejected_by), count(*) FROM {ledger} GROUP BY ALL"
    ).fetchall()
    derived: dict[tuple[str, str], int] = {(row[0] or "", row[1] or ""): row[2] for row in rows}
    stated: dict[tuple[str, str], int] = {}
    for reason in described.selection.reasons:
        key = (reason.reason, reason.rejected_by or "")
        stated[key] = stated.get(key, 0) + reason.documents
    for word, clause in sorted(stated.keys() | derived.keys()):
        if stated.get((word, clause), 0) != derived.get((word, clause), 0):
            yield _total(f"the count of `{word}`" + (f" by `{clause}`" if clause else ""))


def _total(what: str) -> Diagnostic:
    return Diagnostic("R0628", f"the manifest and the ledger disagree on {what}")
