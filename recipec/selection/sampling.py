"""Op `Sample`: expected copies, allocation, draws, and the reason for every candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import logical, model
from recipec.ir.mixing import Decided
from recipec.ir.selection import Cell, Reason, Selection, Stats
from recipec.places import local
from recipec.selection import drawing, ranking
from recipec.selection.allocation import Allocation, CellTotals, allocate
from recipec.selection.digest import digest
from recipec.selection.mixing import Candidates
from recipec.selection.rules import INFINITE, expected, limit, nest_of, threshold

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def candidates(
    connection: DuckDBPyConnection, op: logical.Sample, ranked: Path, *, follows: bool = False
) -> Candidates:
    """The candidates of a `Sample` and the totals of its pool by cell.

    Args:
        follows: whether `ranked` is the result of the previous phase, whose draws count as already drawn.
    """
    table = f"read_parquet({literal(str(ranked))})"
    if follows:
        table = _left(connection, table)
    return Candidates(connection, table, _pools(connection, op, table))


def sample(op: logical.Sample, found: Candidates, decided: Decided, destination: Path) -> Selection:
    """Writes the candidates with `expected, scale, cap, copies, reason` added; returns the selection (without `stats`,
    which come from `Rank` and are not known here).

    Raises:
        Failure: the bounds cannot all be met, or a domain with a weight gets no document.
    """
    connection, table, pools = found.connection, found.table, found.pools
    allocation = allocate(op, pools, decided)
    numbers = {pool.key: number for number, pool in enumerate(pools)}
    scales = dict.fromkeys(numbers.values(), 1.0)
    if allocation.targets is not None:
        targets = {numbers[key]: target for key, target in allocation.targets.items()}
        connection.execute(f"CREATE OR REPLACE TEMP TABLE drawable AS {_drawable(op, table, pools)}")
        scales = drawing.scales(connection, "drawable", targets)
        connection.execute("DROP TABLE drawable")
    with local.replacing(destination) as temporary:
        query = _ledger(op, table, pools, allocation, scales)
        connection.execute(f"COPY ({query}) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION snappy)")
    result = _selection(connection, op, f"read_parquet({literal(str(destination))})", pools, allocation, scales)
    try:
        _check_vanishing(op, result)
    except Failure:
        local.remove(destination)
        raise
    said = {"weights": tuple(decided.weights.items()), "evidence": decided.evidence, "waiting": decided.waiting}
    return result.model_copy(update=said)


def _left(connection: DuckDBPyConnection, ledger: str) -> str:
    """SQL of the candidates that a phase leaves for the next one.

    Over all phases a document has ⌈min(Σ c·S, R) − u⌉ copies, so that a document is repeated only after the others were
    drawn. A phase adds ⌈min(c·S, R') − u'⌉ to that, with u' = u + copies − c·S, in [0, 1), and R' = R − copies of the
    previous phase: all rules of one phase then apply unchanged to the next.
    """
    names = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {ledger}").fetchall()}
    expected = f"least(scale * expected, coalesce(cap, {INFINITE}))"
    left = f"greatest(0.0 :: DOUBLE, least(draw + copies - {expected}, {BELOW_ONE}))"
    changed = f"CASE WHEN scale IS NULL THEN draw ELSE {left} END AS draw, cap - copies AS cap"
    gone = "expected, scale, copies, reason"
    if "before" in names:
        more = f"before + copies AS before, spent + {expected} AS spent"
        return f"(SELECT * EXCLUDE ({gone}) REPLACE ({changed}, {more}) FROM {ledger})"
    more = f"copies AS before, {expected} AS spent"
    return f"(SELECT * EXCLUDE ({gone}) REPLACE ({changed}), {more} FROM {ledger})"


BELOW_ONE = "0.9999999999999999 :: DOUBLE"


def redrawn(op: logical.Sample, rank: logical.Rank, ledger: str, stats: tuple[Stats, ...]) -> str:
    """SQL of a ledger's documents in the pool with `again`: the copies under another ranking at the same scales."""
    again = drawing.copies("scale", expected(op), f"coalesce(cap, {INFINITE})", "draw")
    return f"SELECT *, {again} AS again FROM ({ranking.reranked(rank, ledger, stats)})"


def _valued(op: logical.Sample, table: str) -> str:
    """SQL of the documents of the pool with their cell, S, R and u."""
    return (
        f"SELECT domain, {nest_of(op)} AS nest, tokens, {expected(op)} AS s, {limit(op)} AS r, draw AS u FROM {table} "
        f"WHERE bad IS NULL AND rejected_by IS NULL"
    )


FINE = 1 << 20
"""Fixed-point factor for sums of expected tokens, which must not depend on the order of rows."""


def _pools(connection: DuckDBPyConnection, op: logical.Sample, table: str) -> tuple[CellTotals, ...]:
    rows = connection.execute(
        f"""
        SELECT domain, CAST(nest AS BIGINT), count(*), CAST(sum(tokens) AS HUGEINT),
            CASE WHEN count(*) FILTER (s > 0 AND r = {INFINITE}) > 0 THEN {INFINITE}
                ELSE CAST(coalesce(sum(CAST(tokens * CASE WHEN r < {INFINITE} THEN r END AS HUGEINT)) FILTER (s > 0), 0)
                    AS DOUBLE) END,
            CAST(sum(CAST(round(tokens * least(s, r) * {FINE}) AS HUGEINT)) AS DOUBLE) / {FINE}
        FROM ({_valued(op, table)}) GROUP BY domain, nest ORDER BY domain, nest
        """
    ).fetchall()
    return tuple(CellTotals(row[0], row[1], row[2], int(row[3]), float(row[4]), float(row[5])) for row in rows)


def _drawable(op: logical.Sample, table: str, pools: Sequence[CellTotals]) -> str:
    return (
        f"SELECT CAST(cells.cell AS INTEGER) AS cell, tokens, s, r, u FROM ({_valued(op, table)}) AS v "
        f"JOIN {_cells(pools)} ON v.domain = cell_domain AND v.nest = cell_nest WHERE s > 0"
    )


def _cells(pools: Sequence[CellTotals], *columns: dict[int, float]) -> str:
    """SQL of the cells as a table: cell_domain, cell_nest, number, and further numbers per cell."""
    rows = [
        ", ".join([literal(pool.domain), str(pool.nest), str(number), *(literal(float(c[number])) for c in columns)])
        for number, pool in enumerate(pools)
    ]
    names = ", ".join(["cell_domain", "cell_nest", "cell", *(f"value_{n}" for n in range(len(columns)))])
    empty = ", ".join(["''", "0", "-1", *("0.0 :: DOUBLE" for _ in columns)])
    return f"(VALUES {', '.join(f'({row})' for row in rows or [empty])}) AS cells({names})"


def _ledger(
    op: logical.Sample, table: str, pools: Sequence[CellTotals], allocation: Allocation, scales: dict[int, float]
) -> str:
    """SQL of every candidate with its derivation. A cell with target 0 draws nothing, regardless of its curve."""
    closed = {
        number: 0.0 if allocation.targets is not None and allocation.targets[pool.key] <= 0 else 1.0
        for number, pool in enumerate(pools)
    }
    copies = drawing.copies("scale", "expected", f"coalesce(cap, {INFINITE})", "draw")
    quadmix = isinstance(op.sample, model.Quadmix)
    tail = f"rank > {threshold(op)}" if quadmix else "false"
    below = f"rank > {threshold(op)}" if not isinstance(op.sample, model.All) else "false"
    return f"""
        SELECT * EXCLUDE (pooled, open), CAST(CASE
            WHEN bad IS NOT NULL THEN 'unreadable'
            WHEN rejected_by IS NOT NULL THEN 'filtered'
            WHEN copies > 0 AND {tail} THEN 'selected_tail'
            WHEN copies > 0 THEN 'selected'
            WHEN open = 0 THEN 'quota_zero'
            WHEN cap = 0 THEN 'capped'
            WHEN {below} THEN 'below_threshold'
            ELSE 'not_drawn' END AS VARCHAR) AS reason
        FROM (
            SELECT *, CAST(CASE WHEN pooled THEN {copies} ELSE 0 END AS BIGINT) AS copies FROM (
                SELECT d.* EXCLUDE (cap, nest, nest_here, pooled), pooled, nest_here AS nest,
                    CASE WHEN pooled THEN {expected(op)} END AS expected,
                    CASE WHEN pooled THEN cells.value_0 END AS scale,
                    CASE WHEN pooled AND {limit(op)} < {INFINITE} THEN {limit(op)} END AS cap,
                    cells.value_1 AS open
                FROM (
                    SELECT *, bad IS NULL AND rejected_by IS NULL AS pooled, {nest_of(op)} AS nest_here FROM {table}
                ) AS d
                LEFT JOIN {_cells(pools, scales, closed)}
                    ON pooled AND domain = cell_domain AND nest_here = cell_nest
            )
        )
    """


def _selection(
    connection: DuckDBPyConnection,
    op: logical.Sample,
    ledger: str,
    pools: Sequence[CellTotals],
    allocation: Allocation,
    scales: dict[int, float],
) -> Selection:
    drawn = {
        (row[0], row[1]): row[2:]
        for row in connection.execute(
            f"SELECT domain, nest, count(*), sum(copies) :: BIGINT, sum(tokens * copies) :: HUGEINT FROM {ledger} "
            f"WHERE copies > 0 GROUP BY domain, nest"
        ).fetchall()
    }
    reasons = connection.execute(
        f"SELECT coalesce(domain, ''), reason, coalesce(bad, rejected_by), count(*), "
        f"sum(CASE WHEN tokens > 0 THEN tokens ELSE 0 END) :: HUGEINT FROM {ledger} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return Selection(
        stats=(),
        cells=tuple(_cell(pool, allocation, scales[n], drawn.get(pool.key, (0, 0, 0))) for n, pool in enumerate(pools)),
        reasons=tuple(
            Reason(domain=row[0], reason=row[1], rejected_by=row[2], documents=row[3], tokens=int(row[4] or 0))
            for row in reasons
        ),
        candidates=sum(row[3] for row in reasons),
        budget=op.tokens,
        allocated=allocation.total,
        digest=digest(connection, ledger),
    )


def _cell(pool: CellTotals, allocation: Allocation, scale: float, drawn: tuple[int, int, int]) -> Cell:
    return Cell(
        domain=pool.domain,
        nest=pool.nest,
        documents=pool.documents,
        tokens=pool.tokens,
        reachable=int(pool.reachable) if math.isfinite(pool.reachable) else None,
        natural=pool.natural,
        asked=allocation.asked[pool.key],
        weight=allocation.weights[pool.key],
        target=None if allocation.targets is None else allocation.targets[pool.key],
        scale=scale,
        binds=allocation.binds.get(pool.key, ""),
        drawn_documents=drawn[0],
        drawn_copies=drawn[1],
        drawn_tokens=int(drawn[2]),
    )


def _check_vanishing(op: logical.Sample, result: Selection) -> None:
    """Raises Failure if a domain with a weight gets no document, unless the recipe allows it."""
    if op.allow_vanishing:
        return
    asked: dict[str, float] = {}
    documents: dict[str, int] = {}
    for cell in result.cells:
        asked[cell.domain] = asked.get(cell.domain, 0.0) + cell.weight
        documents[cell.domain] = documents.get(cell.domain, 0) + cell.drawn_documents
    gone = sorted(domain for domain, weight in asked.items() if weight > 0 and not documents[domain])
    if gone:
        origin = op.mixture.origin or (op.sample.origin if op.sample.origin else None)
        raise Failure(
            *(
                Diagnostic(
                    "R0508",
                    f"the domain `{domain}` has a weight of {asked[domain]:.3g} but no planned document",
                    origin.span if origin else None,
                    helps=("increase its weight, set it to 0, or add `allow vanishing`",),
                )
                for domain in gone
            )
        )
