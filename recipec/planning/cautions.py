"""What a plan says about its own selection: quality that decides nothing, and documents that do not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from recipec.diagnostics import Diagnostic, ExitCode, Failure, Severity
from recipec.ir import model
from recipec.ir.selection import Cell, Reason, Selection
from recipec.numbers import percent, plain

SHOWN = 5
"""The most domains that one warning names."""

MOST = 0.5
"""The share of drawn tokens beyond ω above which quality is said not to decide."""


def warnings(recipe: model.Recipe, selection: Selection) -> Iterator[Diagnostic]:
    """The warnings about a selection by `sample quadmix`, and about targets that are missed by a document."""
    yield from _rejects_all(recipe, selection)
    cells = [cell for cell in selection.cells if cell.drawn_tokens or cell.target]
    yield from _short(recipe, cells)
    if isinstance(recipe.sample, model.Quadmix):
        tied = _tied(recipe.sample, cells)
        yield from _ties(recipe, tied)
        known = {cell.domain for cell in tied}
        yield from _void(recipe.sample, [cell for cell in cells if cell.domain not in known])


def check_pool(recipe: model.Recipe, documents: int, candidates: int, rejected: Sequence[Reason]) -> None:
    """Raises Failure if no document is left to draw from, unless the recipe allows it.

    Args:
        documents: those of the pool; `rejected`: why the other candidates are not in it.
    """
    if recipe.allow_empty or documents:
        return
    counts: Counter[str] = Counter()
    for one in rejected:
        counts[one.rejected_by or one.reason] += one.documents
    why = ", ".join(
        f"{count:,} × {name}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
    )
    message = f"the pool is empty: of {candidates:,} rows none is left" + (f" ({why})" if why else "")
    helps = ("change the filters, or add `allow empty` if this is intended",)
    worst = max(counts, key=lambda name: (counts[name], name), default="")
    origin = next((one.origin for one in recipe.clauses if one.text == worst), recipe.sources[0].origin)
    span = origin.span
    raise Failure(Diagnostic("R0509", message, span, helps=helps), exit_code=ExitCode.INFEASIBLE)


def unreadable(selection: Selection) -> str:
    """How many rows are unreadable and why, the most frequent reasons first: "3 of 400 rows: 2 × no text, …"; "" if
    none is."""
    counts: Counter[str] = Counter()
    for one in selection.reasons:
        if one.reason == "unreadable":
            counts[one.rejected_by or "no reason is stored"] += one.documents
    if not counts.total():
        return ""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{count:,} × {reason}" for reason, count in ordered[:SHOWN]]
    words += [f"{len(ordered) - SHOWN} more reasons"] if len(ordered) > SHOWN else []
    return f"{counts.total():,} of {selection.candidates:,} rows: {', '.join(words)}"


def idle(recipe: model.Recipe, selection: Selection) -> str:
    """The clauses that reject no document which those before them leave, as text; "" if there are none."""
    known = {one.rejected_by for one in selection.reasons if one.documents}
    found = [f"`where {clause.text}`" for clause in recipe.clauses if clause.text not in known]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def _rejects_all(recipe: model.Recipe, selection: Selection) -> Iterator[Diagnostic]:
    """The warning about a clause after which no document is left, which a recipe may allow."""
    left = selection.candidates - sum(one.documents for one in selection.reasons if one.reason == "unreadable")
    rejected: Counter[str | None] = Counter()
    for one in selection.reasons:
        rejected[one.rejected_by] += one.documents
    for clause in recipe.clauses:
        left -= rejected[clause.text]
        if rejected[clause.text] and left == 0:
            message = f"`where {clause.text}` rejects every document that is left: {rejected[clause.text]:,}"
            yield Diagnostic("R0514", message, clause.origin.span, severity=Severity.WARNING)
            return


def _short(recipe: model.Recipe, cells: Sequence[Cell]) -> Iterator[Diagnostic]:
    for cell in [cell for cell in cells if cell.blocked_by][:SHOWN]:
        assert cell.target is not None
        missing = cell.target - cell.drawn_tokens
        yield Diagnostic(
            "R0510",
            f"`{cell.domain}` gets {percent(missing / cell.target, 2)} less than planned: the next document, "
            f"{cell.blocked_by}, has {cell.blocked_tokens:,} tokens, and only {int(missing):,} are left",
            recipe.mixture.origin.span if recipe.mixture.origin else None,
            helps=("`oversize skip` leaves such documents out",) if recipe.oversize == "stop" else (),
            severity=Severity.WARNING,
        )


def _omega(sample: model.Quadmix, domain: str) -> float:
    own = {curve.domain: curve.omega for curve in sample.curves}
    return float(own.get(domain, own.get(None, 1.0)))


def _tied(sample: model.Quadmix, cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.best_rank is not None and cell.best_rank > _omega(sample, cell.domain)]


def _ties(recipe: model.Recipe, cells: Sequence[Cell]) -> Iterator[Diagnostic]:
    """The warning about domains where no document is within ω, because too many are equally good."""
    if not cells or recipe.quality.ties == "split":
        return
    assert isinstance(recipe.sample, model.Quadmix)
    groups = {
        cell.domain: f"`{cell.domain}` ({cell.best_rank:.0%} of its tokens, ω is {plain(_omega(recipe.sample, cell.domain))})"
        for cell in cells
        if cell.best_rank is not None
    }
    yield Diagnostic(
        "R0511",
        f"quality decides nothing in {_listed(list(groups.values()))}: the best documents are equally good, and together "
        f"they are more than ω lets in",
        recipe.sample.origin.span if recipe.sample.origin else None,
        helps=("`quality { ties split }` ranks equally good documents by a draw", "or increase `omega`"),
        severity=Severity.WARNING,
    )


def _void(sample: model.Quadmix, cells: Sequence[Cell]) -> Iterator[Diagnostic]:
    """The warning about domains where documents are drawn whatever their quality."""
    drawn: dict[str, int] = {}
    tail: dict[str, int] = {}
    left: dict[str, int] = {}
    for cell in cells:
        drawn[cell.domain] = drawn.get(cell.domain, 0) + cell.drawn_tokens
        tail[cell.domain] = tail.get(cell.domain, 0) + cell.tail_tokens
        left[cell.domain] = left.get(cell.domain, 0) + cell.documents - cell.drawn_documents
    span = sample.origin.span if sample.origin else None
    whole = [f"`{name}`" for name in sorted(drawn) if drawn[name] and not left[name]]
    if whole:
        message = f"every document of {_listed(whole)} is drawn: quality decides at most how often"
        helps = ("a smaller share or budget, or a larger pool, lets quality choose",)
        yield Diagnostic("R0512", message, span, helps=helps, severity=Severity.WARNING)
    mostly = [
        f"`{name}` ({tail[name] / drawn[name]:.0%})"
        for name in sorted(drawn)
        if left[name] and tail[name] > MOST * drawn[name]
    ]
    if mostly:
        message = f"most of what is drawn of {_listed(mostly)} is beyond ω, where every document has the same chance"
        helps = ("increase `omega`, or lower the share of the domain",)
        yield Diagnostic("R0513", message, span, helps=helps, severity=Severity.WARNING)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more domains" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
