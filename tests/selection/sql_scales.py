"""Scales c_d: the largest at which the drawn tokens of a cell stay within its target.

Copies of a document never decrease with c, so each cell's drawn tokens are a step function of c. A few scans narrow the
brackets of all cells at once, keeping only the documents whose copies differ between their ends; the rest is bisected
exactly, with the same formula that draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipec.database.sql import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


FEW = 200_000
"""The most documents that are bisected in memory instead of by another scan."""

GRID = 16
"""The number of scales tried in one scan."""

MOST_ROUNDS = 60


@dataclass(slots=True)
class Bracket:
    """A cell's scale is in [low, high): at `low` the target is not exceeded, at `high` it is."""

    target: float
    low: float
    high: float


def copies(scale: str, expected: str, cap: str, draw: str) -> str:
    """SQL of the number of copies: ⌈min(c·S, R) − u⌉, at least 0. `cap` is infinity without a limit."""
    return f"greatest(0, ceil(least({scale} * {expected}, {cap}) - {draw}))"


def scales(connection: DuckDBPyConnection, table: str, targets: Mapping[int, float]) -> dict[int, float]:
    """The scale of every cell.

    Args:
        table: a temporary table `cell INTEGER, tokens BIGINT, s DOUBLE, r DOUBLE, u DOUBLE` of the documents with s > 0.
        targets: tokens by cell. A cell whose copies all fit gets the scale at which all are drawn.
    """
    result = dict.fromkeys(targets, 0.0)
    brackets: dict[int, Bracket] = {}
    for cell, weighted, ceiling, most in _facts(connection, table):
        target = targets.get(cell, 0.0)
        if target <= 0:
            continue
        full = math.nextafter(float(ceiling), math.inf) if math.isfinite(ceiling) else math.inf
        if math.isfinite(full) and most <= target:
            result[cell] = full
        else:
            brackets[cell] = Bracket(target, 0.0, _start(target, float(weighted), full))
    _raise_ends(connection, table, brackets)
    for _ in range(MOST_ROUNDS):
        if not brackets or _narrow(connection, table, brackets):
            break
    result.update(_finish(connection, table, brackets))
    return result


def _facts(connection: DuckDBPyConnection, table: str) -> list[tuple[int, float, float, float]]:
    """Per cell: Σ t·s (only for a first guess), the scale at which all documents reach their cap, the tokens then."""
    return connection.execute(
        f"""
        SELECT cell, CAST(sum(CAST(round(tokens * s * 1024) AS HUGEINT)) AS DOUBLE) / 1024, max(r / s),
            CASE WHEN max(r) < 'inf' :: DOUBLE THEN CAST(sum(CAST(tokens AS HUGEINT) * CAST(r AS HUGEINT)) AS DOUBLE)
                ELSE 'inf' :: DOUBLE END
        FROM (SELECT *, CASE WHEN r < 'inf' :: DOUBLE THEN r ELSE 0 END AS finite FROM {table}) GROUP BY cell ORDER BY cell
        """.replace("CAST(r AS HUGEINT)", "CAST(finite AS HUGEINT)")
    ).fetchall()


def _start(target: float, weighted: float, full: float) -> float:
    """A scale that would draw more than the target without caps."""
    return min(2.0 * target / weighted if weighted else 1.0, full)


def _raise_ends(connection: DuckDBPyConnection, table: str, brackets: Mapping[int, Bracket]) -> None:
    """Doubles the upper ends until each draws more than its target; caps can make the first guess too small."""
    waiting = dict(brackets)
    while waiting:
        drawn = _drawn(connection, table, {cell: [bracket.high] for cell, bracket in waiting.items()})
        waiting = {cell: bracket for cell, bracket in waiting.items() if drawn[cell][0] <= bracket.target}
        for bracket in waiting.values():
            bracket.low, bracket.high = bracket.high, bracket.high * 4


def _drawn(connection: DuckDBPyConnection, table: str, grid: Mapping[int, list[float]]) -> dict[int, list[float]]:
    """The drawn tokens of each cell at each scale of its grid (all grids have the same length), in one scan."""
    width = len(next(iter(grid.values())))
    rows = ", ".join(
        f"({cell}, {', '.join(literal(scale) for scale in scales_)})" for cell, scales_ in sorted(grid.items())
    )
    names = ", ".join(f"c{number}" for number in range(width))
    sums = ", ".join(
        f"CAST(sum(CAST(tokens * {copies(f'c{number}', 's', 'r', 'u')} AS BIGINT)) AS DOUBLE)"
        for number in range(width)
    )
    found = connection.execute(
        f"SELECT d.cell, {sums} FROM {table} AS d JOIN (VALUES {rows}) AS grid(cell, {names}) ON d.cell = grid.cell "
        f"GROUP BY d.cell"
    ).fetchall()
    return {row[0]: list(row[1:]) for row in found}


def _narrow(connection: DuckDBPyConnection, table: str, brackets: Mapping[int, Bracket]) -> bool:
    """Narrows every bracket to one step of a grid in it, in one scan; returns whether few documents are undecided."""
    grid = {}
    for cell, bracket in brackets.items():
        step = (bracket.high - bracket.low) / (GRID + 1)
        grid[cell] = [bracket.low + step * number for number in range(1, GRID + 1)]
    drawn = _drawn(connection, table, grid)
    for cell, bracket in brackets.items():
        fitting = [scale for scale, tokens in zip(grid[cell], drawn[cell], strict=True) if tokens <= bracket.target]
        beyond = [scale for scale, tokens in zip(grid[cell], drawn[cell], strict=True) if tokens > bracket.target]
        bracket.low = max(fitting, default=bracket.low)
        bracket.high = min(beyond, default=bracket.high)
    count = connection.execute(f"SELECT count(*) FROM {_undecided(table, brackets)}").fetchall()[0][0]
    return bool(count <= FEW)


def _undecided(table: str, brackets: Mapping[int, Bracket]) -> str:
    """The documents whose copies differ between the ends of their cell's bracket."""
    rows = ", ".join(f"({cell}, {literal(b.low)}, {literal(b.high)})" for cell, b in sorted(brackets.items()))
    low, high = copies("low", "s", "r", "u"), copies("high", "s", "r", "u")
    return (
        f"(SELECT d.cell, tokens, s, r, u, {low} AS sure FROM {table} AS d JOIN (VALUES {rows}) AS ends(cell, low, high) "
        f"ON d.cell = ends.cell WHERE {low} <> {high})"
    )


def _finish(connection: DuckDBPyConnection, table: str, brackets: Mapping[int, Bracket]) -> dict[int, float]:
    """Bisects every bracket down to two adjacent floats, over the documents that are still undecided."""
    if not brackets:
        return {}
    drawn = _drawn(connection, table, {cell: [bracket.low] for cell, bracket in brackets.items()})
    connection.execute(f"CREATE OR REPLACE TEMP TABLE undecided AS FROM {_undecided(table, brackets)}")
    result = {}
    for cell, bracket in sorted(brackets.items()):
        rows = connection.execute("SELECT tokens, s, r, u, sure FROM undecided WHERE cell = ?", [cell]).fetchnumpy()
        tokens, s, r, u, sure = (np.asarray(rows[name], dtype=np.float64) for name in ("tokens", "s", "r", "u", "sure"))
        room = bracket.target - drawn[cell][0]
        low, high = bracket.low, bracket.high
        while low < (middle := low + (high - low) / 2) < high:
            extra = np.maximum(0.0, np.ceil(np.minimum(middle * s, r) - u)) - sure
            if math.fsum(tokens * extra) <= room:
                low = middle
            else:
                high = middle
        result[cell] = low
    connection.execute("DROP TABLE undecided")
    return result
