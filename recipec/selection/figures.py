"""The figures of a selection: what is drawn by cell, why the other documents are not, and the digest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import logical
from recipec.ir.mixing import Decided
from recipec.ir.selection import Cell, Reason, ReasonWord, Selection
from recipec.numbers import percent
from recipec.selection.allocation import Key
from recipec.selection.digest import Digest
from recipec.selection.kernel import Drawn, Piece
from recipec.selection.scales import RankedCell
from recipec.selection.small import is_short

REASONS: tuple[ReasonWord, ...] = (
    "selected",
    "selected_tail",
    "quota_zero",
    "capped",
    "below_threshold",
    "not_drawn",
    "oversize",
)
"""The reasons of documents of the pool; `reasons` numbers them so."""


Counts: TypeAlias = "Counter[tuple[str, str, str | None]]"
"""Documents, or tokens, by domain, reason and clause."""


def reasons(drawn: Drawn, piece: Piece) -> Array:
    """The numbers (k,) of the reasons of a piece's documents, in `REASONS`."""
    rules = drawn.found.rules
    given = piece.copies > 0
    ranked = rules.curves is not None or rules.top is not None
    if drawn.is_closed(piece.cell.key):
        rest = np.full(len(given), 2, np.uint8)
    elif piece.limit == 0:
        rest = np.full(len(given), 3, np.uint8)
    else:
        rest = np.where(piece.within | (not ranked), 5, 4).astype(np.uint8)
    tail = ~piece.within if rules.curves is not None else np.zeros(len(given), bool)
    found: Array = np.where(given, tail.astype(np.uint8), rest)
    found[piece.out] = 6
    return found


def selection(op: logical.Sample, drawn: Drawn, decided: Decided) -> Selection:
    """The result of a `Sample`.

    Raises:
        Failure: a domain with a weight gets no document.
    """
    layout = drawn.found.ready.columns.layout
    total, given = Digest(), {cell.key: np.zeros(4, np.int64) for cell in drawn.found.cells}
    counts: Counts = Counter()
    tokens: Counts = Counter()
    for piece in drawn.pieces():
        given[piece.cell.key] += _chosen(drawn, piece, total)
        numbers = reasons(drawn, piece)
        documents = np.bincount(numbers, minlength=len(REASONS))
        weights = np.bincount(numbers, weights=piece.tokens, minlength=len(REASONS))
        for number in np.flatnonzero(documents):
            key = piece.cell.key[0], REASONS[number], None
            counts[key] += int(documents[number])
            tokens[key] += int(weights[number])
    _add_dropped(drawn, counts, tokens)
    for one in layout.rejected:
        counts[one.domain, one.reason, one.rejected_by] += one.documents
        tokens[one.domain, one.reason, one.rejected_by] += one.tokens
    result = Selection(
        stats=layout.stats,
        cells=tuple(
            _cell(drawn, cell, number, given[cell.key].tolist()) for number, cell in enumerate(drawn.found.cells)
        ),
        reasons=tuple(
            Reason(
                domain=key[0],
                reason=cast("ReasonWord", key[1]),
                rejected_by=key[2],
                documents=counts[key],
                tokens=tokens[key],
            )
            for key in sorted(counts, key=lambda key: (key[0], key[1], key[2] is None, key[2] or ""))
        ),
        candidates=layout.candidates,
        budget=op.tokens,
        allocated=drawn.allocation.total,
        digest=total.hex(),
        weights=tuple(decided.weights.items()),
        evidence=decided.evidence,
        waiting=decided.waiting,
    )
    in_domain: Counter[str] = Counter()
    for one_cell in result.cells:
        in_domain[one_cell.domain] += one_cell.drawn_documents
    check_vanishing(op, drawn.allocation.weights, in_domain)
    return result


def _chosen(drawn: Drawn, piece: Piece, total: Digest) -> Array:
    """The documents that are drawn of a piece, their copies, tokens of copies, and tokens of copies beyond ω (4,); adds
    them to a digest."""
    copies = piece.copies.astype(np.int64)
    chosen = np.flatnonzero(copies)
    if not len(chosen):
        return np.zeros(4, np.int64)
    total.add(drawn.found.ready.columns["draw"][piece.rows][chosen], copies[chosen])
    sizes = piece.tokens[chosen].astype(np.int64) * copies[chosen]
    tail = sizes[~piece.within[chosen]].sum()
    return np.array([len(chosen), copies[chosen].sum(), sizes.sum(), tail])


def _add_dropped(drawn: Drawn, counts: Counts, tokens: Counts) -> None:
    """Counts the documents that leave the pool for a missing score."""
    ready = drawn.found.ready
    if ready.dropped is None:
        return
    for domain in ready.columns.layout.domains:
        mine = ready.dropped[domain.start : domain.stop]
        for number in np.unique(mine[mine >= 0]):
            chosen = mine == number
            key = domain.name, "filtered", f"missing {ready.columns.layout.stats[number].criterion}"
            counts[key] += int(chosen.sum())
            tokens[key] += int(ready.columns["tokens"][domain.start : domain.stop][chosen].sum(dtype=np.int64))


def _cell(drawn: Drawn, cell: RankedCell, number: int, given: list[int]) -> Cell:
    allocation, total = drawn.allocation, drawn.found.totals[number]
    first = drawn.found.heads[cell.part.number].first
    return Cell(
        domain=total.domain,
        nest=total.nest,
        documents=total.documents,
        tokens=total.tokens,
        reachable=int(total.reachable) if math.isfinite(total.reachable) else None,
        natural=total.natural,
        asked=allocation.asked[cell.key],
        weight=allocation.weights[cell.key],
        target=None if allocation.targets is None else allocation.targets[cell.key],
        scale=drawn.scales[cell.key],
        binds=allocation.binds.get(cell.key, ""),
        drawn_documents=given[0],
        drawn_copies=given[1],
        drawn_tokens=given[2],
        tail_tokens=given[3] if drawn.found.rules.curves is not None else 0,
        best_rank=first if drawn.found.rules.curves is not None and math.isfinite(first) else None,
    )


NAMED = 20
"""The most documents that are named as too large, those of the largest gaps first."""


def blockers(drawn: Drawn, found: Selection) -> dict[tuple[str, int], tuple[int, int]]:
    """By cell that misses more than `small.MISSING` of its target although it has smaller documents, the one that does
    not fit in what is left: its row among the candidates, and its tokens."""
    short = [
        (cell.target - cell.drawn_tokens, (cell.domain, cell.nest))
        for cell in found.cells
        if cell.target is not None and cell.scale > 0 and is_short(cell.target, cell.drawn_tokens)
    ]
    cells = {cell.key: cell for cell in drawn.found.cells}
    numbers = drawn.found.ready.columns["number"]
    result: dict[tuple[str, int], tuple[int, int]] = {}
    for missing, key in sorted(short, reverse=True):
        cell = replace(cells[key], out=drawn.out[key])
        if len(result) == NAMED or not any(
            ((block.tokens > 0) & (block.tokens <= missing)).any() for block in cell.blocks
        ):
            continue
        rows = cell.blocking(drawn.scales[key])
        if len(rows):
            largest = rows[np.argmax(cell.part.tokens[rows])]
            place = int(np.arange(len(numbers))[cell.part.places(int(largest), int(largest) + 1)][0])
            result[key] = int(numbers[place]), int(cell.part.tokens[largest])
    return result


def check_vanishing(op: logical.Sample, weights: Mapping[Key, float], given: Mapping[str, float]) -> None:
    """Raises Failure if a domain with a weight gets nothing, unless the recipe allows it.

    Args:
        weights: by cell; `given`: the documents or tokens drawn, by domain.
    """
    asked: dict[str, float] = {}
    for (domain, _), weight in weights.items():
        asked[domain] = asked.get(domain, 0.0) + weight
    gone = sorted(domain for domain, weight in asked.items() if weight > 0 and not given[domain])
    if not gone or op.allow_vanishing:
        return
    origin = op.mixture.origin or (op.sample.origin if op.sample.origin else None)
    raise Failure(
        *(
            Diagnostic(
                "R0508",
                f"the domain `{domain}` has a weight of {percent(asked[domain])} but no planned document",
                origin.span if origin else None,
                helps=("increase its weight, set it to 0, or add `allow vanishing`",),
            )
            for domain in gone
        )
    )
