"""The decision about every document of a pool as a table of the database: what a ledger adds to the candidates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.database.sql import ident, literal
from recipec.ir import logical
from recipec.selection.figures import REASONS, reasons
from recipec.selection.heads import order_of_all, ranked, within
from recipec.selection.kernel import Arranged, Drawn, Ranked, Rules
from recipec.selection.parts import Part
from recipec.selection.rules import nest_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def all_ranks(found: Ranked) -> Iterator[tuple[Part, Array | None, Array | None]]:
    """Each part with the merged quality (n,) and the rank (n,) of all of its documents; None where there is none."""
    ready, rules = found.ready, found.rules
    if rules.top is not None:
        whole = _whole_ranks(ready, rules)
        start = 0
        for part in ready.parts:
            q = ready.quality.merged(part, rules.weights[part.number]) if rules.merges else None
            yield part, q, whole[start : start + part.size]
            start += part.size
        return
    for part in ready.parts:
        if not rules.merges:
            yield part, None, None
            continue
        near, q = within(part, ready.quality, rules.weights[part.number], np.inf)
        total = part.total
        ranks = np.full(part.size, np.nan)
        if total:
            order, sorted_ranks = ranked(part, ready.quality, near, q, total, rules.equal)
            ranks[order] = sorted_ranks
        yield part, q, ranks


def _whole_ranks(ready: Arranged, rules: Rules) -> Array:
    """The ranks (n,) of `sample top`, from the first part to the last: see `heads.best`."""
    top = rules.top or ()
    size = sum(part.size for part in ready.parts)
    least = np.full(size, np.iinfo(np.int64).max)
    for number in top or (None,):
        order, _, above = order_of_all(ready.parts, ready.quality, number, rules.weights)
        least[order] = np.minimum(least[order], above)
    total = sum(part.total for part in ready.parts)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = (max(len(top), 1) * least) / np.float64(total)
    return found


RANKS = "number BIGINT, merged DOUBLE, rank DOUBLE, draw DOUBLE"

ROWS = 1 << 20
"""Documents that are inserted at a time."""


def ranks_table(connection: DuckDBPyConnection, found: Ranked, name: str) -> None:
    """Creates a temporary table of the documents of a pool: `number`, `merged`, `rank`, `draw`."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({RANKS})")
    _insert(connection, name, (_ranks(found, *one) for one in all_ranks(found)), _said(found.rules))


def table(connection: DuckDBPyConnection, drawn: Drawn, name: str) -> None:
    """Creates a temporary table of the documents of a pool: `number`, `merged`, `rank`, `draw`, `expected`, `scale`,
    `cap`, `copies`, `reason` (a number), and after earlier phases `before` and `spent`."""
    follows = drawn.found.ready.left is not None
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} ({RANKS}, expected DOUBLE, scale DOUBLE, cap DOUBLE, copies BIGINT, "
        f"reason UTINYINT{', before BIGINT, spent DOUBLE' if follows else ''})"
    )
    said = f"{_said(drawn.found.rules)}, expected, scale, CASE WHEN isfinite(cap) THEN cap END, copies, reason"
    _insert(connection, name, _decided(drawn), said + (", before, spent" if follows else ""))


def _said(rules: Rules) -> str:
    """SQL of the first columns; without weights there is no merged quality, and without `top` either no rank."""
    merged = "merged" if rules.merges else "CAST(NULL AS DOUBLE)"
    rank = "rank" if rules.merges or rules.top is not None else "CAST(NULL AS DOUBLE)"
    return f"number, {merged}, {rank}, draw"


def _ranks(found: Ranked, part: Part, merged: Array | None, ranks: Array | None) -> dict[str, Array]:
    unknown = np.full(part.size, np.nan)
    return {
        "number": found.ready.columns["number"][part.places()],
        "merged": unknown if merged is None else merged,
        "rank": unknown if ranks is None else ranks,
        "draw": part.draws,
    }


def _decided(drawn: Drawn) -> Iterator[dict[str, Array]]:
    """The columns of each part."""
    left = drawn.found.ready.left
    pieces = drawn.pieces()
    piece = next(pieces, None)
    for part, merged, ranks in all_ranks(drawn.found):
        values = _ranks(drawn.found, part, merged, ranks)
        values |= {name: np.empty(part.size) for name in ("expected", "scale", "cap")}
        values |= {"copies": np.empty(part.size, np.int64), "reason": np.empty(part.size, np.uint8)}
        while piece is not None and piece.cell.part is part:
            mine = slice(piece.start, piece.stop)
            values["expected"][mine], values["scale"][mine] = piece.expected, piece.scale
            values["cap"][mine], values["copies"][mine] = piece.limit, piece.copies
            values["cap"][mine][piece.out] = 0.0
            values["reason"][mine] = reasons(drawn, piece)
            piece = next(pieces, None)
        if left is not None:
            values["before"] = left.before[part.places()].astype(np.int64)
            values["spent"] = left.spent[part.places()]
        yield values


def _insert(connection: DuckDBPyConnection, name: str, parts: Iterable[dict[str, Array]], said: str) -> None:
    """Inserts the columns of parts, of many small ones together."""
    waiting: list[dict[str, Array]] = []
    size = 0
    for values in chain(parts, (None,)):
        if values is not None:
            waiting.append(values)
            size += len(values["number"])
        if waiting and (values is None or size >= ROWS):
            columns = {key: np.concatenate([one[key] for one in waiting]) for key in waiting[0]}
            connection.register("some_decisions", columns)
            connection.execute(f"INSERT INTO {name} SELECT {said} FROM some_decisions")
            connection.unregister("some_decisions")
            waiting, size = [], 0


def ledger(op: logical.Sample, drawn: Drawn, candidates: str, decisions: str) -> str:
    """SQL of the ledger's rows: every candidate, with what was decided about it.

    Args:
        candidates: a table expression of a `Gather`'s result.
        decisions: the table that `table` made.
    """
    names = ", ".join(literal(word) for word in REASONS)
    more = ", before, spent" if drawn.found.ready.left is not None else ""
    return f"""
        SELECT c.* EXCLUDE (cap, nest, number) REPLACE ({_rejected(drawn)} AS rejected_by),
            merged, rank, draw{more}, {nest_of(op)} AS nest, expected, scale, d.cap AS cap,
            coalesce(copies, 0) AS copies,
            CASE WHEN bad IS NOT NULL THEN 'unreadable' WHEN d.number IS NULL THEN 'filtered'
                ELSE ([{names}])[reason + 1] END AS reason
        FROM {candidates} AS c LEFT JOIN {decisions} AS d ON c.number = d.number
    """


def _rejected(drawn: Drawn) -> str:
    """SQL of `rejected_by` with the documents that leave the pool for a missing score.

    A document of the candidates' pool that has no decision was removed; its first missing score that counts is why.
    """
    ready = drawn.found.ready
    kept = "CASE WHEN bad IS NULL THEN rejected_by END"
    if ready.dropped is None:
        return kept
    layout, rules = ready.columns.layout, drawn.found.rules
    cases = ""
    for number, one in enumerate(layout.stats):
        if one.missing:
            used = [literal(domain.name) for place, domain in enumerate(layout.domains) if rules.needs(place, number)]
            if used:
                column = ident(f"score_{one.criterion}")
                cases += (
                    f" WHEN d.number IS NULL AND bad IS NULL AND rejected_by IS NULL AND {column} IS NULL "
                    f"AND domain IN ({', '.join(used)}) THEN {literal(f'missing {one.criterion}')}"
                )
    return f"CASE{cases} ELSE {kept} END" if cases else kept
