"""The selection by SQL over whole tables: the formulas of docs/selection.md once more, as an oracle of the kernel.

This was the product until the kernel took its place. It shares the allocation with it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from recipec.database.sql import literal
from recipec.ir import logical, model
from recipec.ir.mixing import Decided
from recipec.selection import mixing, ranking
from recipec.selection.allocation import Allocation, CellTotals, allocate
from recipec.selection.ranking import draw
from recipec.selection.rules import INFINITE, expected, nest_of, threshold
from tests.conftest import SOURCE
from tests.selection import sql_scales

HEAD = f"""seed 11
{SOURCE}criterion one = column(one) higher is better
criterion two = column(two) lower is better
criterion three = column(three) higher is better
"""
"""The source and the criteria of the recipes that are compared with this oracle."""


def ranked(connection: DuckDBPyConnection, op: logical.Rank, table: str) -> str:
    """Creates the table `oracle_ranked`: the candidates of a table expression with `merged`, `rank` and
    `draw`; returns its name."""
    stats = ranking.statistics(connection, table, [name for name, _ in op.criteria])
    ranking.rank_pool(connection, op, table, stats)
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE oracle_ranked AS
        SELECT c.* EXCLUDE (number) REPLACE (
                CASE WHEN bad IS NULL THEN coalesce(rejected_by, {ranking.missing(op)}) END AS rejected_by
            ), p.merged, p.rank, CASE WHEN p.row_number IS NOT NULL THEN {draw(op.seed)} END AS draw
        FROM {table} AS c LEFT JOIN (SELECT row_number, merged, rank FROM ranked_pool) AS p
            ON c.number = p.row_number
        """
    )
    connection.execute("DROP TABLE ranked_pool; DROP TYPE pool_domain")
    return "oracle_ranked"


def ledger(
    connection: DuckDBPyConnection, op: logical.Sample, table: str, decided: Decided | None = None
) -> tuple[str, dict[tuple[str, int], float]]:
    """SQL of the ledger over a ranked table, and the scales of the cells."""
    pools = _pools(connection, op, table)
    allocation = allocate(op, pools, decided or mixing.decide(mixing.Problem(op, pools)))
    numbers = {pool.key: number for number, pool in enumerate(pools)}
    scales = dict.fromkeys(numbers.values(), 1.0)
    if allocation.targets is not None:
        targets = {numbers[key]: target for key, target in allocation.targets.items()}
        connection.execute(f"CREATE OR REPLACE TEMP TABLE drawable AS {_drawable(op, table, pools)}")
        scales = sql_scales.scales(connection, "drawable", targets)
    return _ledger(op, table, pools, allocation, scales), {key: scales[n] for key, n in numbers.items()}


def limit(op: logical.Sample) -> str:
    """SQL of R_i: the smaller of the domain's (else the general) limit and the document's own; infinity if none."""
    general = next((repeat.most for repeat in op.repeats if repeat.domain is None), None)
    own = {repeat.domain: repeat.most for repeat in op.repeats if repeat.domain is not None}
    rest = INFINITE if general is None else literal(float(general))
    cases = "".join(
        f" WHEN {literal(domain)} THEN {INFINITE if most is None else literal(float(most))}"
        for domain, most in sorted(own.items())
    )
    by_domain = f"CASE domain{cases} ELSE {rest} END" if cases else rest
    return f"least(coalesce(cap, {INFINITE}), {by_domain})"


def _valued(op: logical.Sample, table: str) -> str:
    """SQL of the documents of the pool with their cell, S, R and u."""
    return (
        f"SELECT domain, {nest_of(op)} AS nest, tokens, {expected(op)} AS s, {limit(op)} AS r, draw AS u FROM {table} "
        f"WHERE bad IS NULL AND rejected_by IS NULL"
    )


FINE = 1 << 40
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
    copies = sql_scales.copies("scale", "expected", f"coalesce(cap, {INFINITE})", "draw")
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
