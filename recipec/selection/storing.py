"""Makes the columns of a pool from its candidates: read once in order, then arranged by domain and draw."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.database.sql import ident, literal
from recipec.ir import logical
from recipec.ir.selection import Reason
from recipec.places import local
from recipec.selection.columns import DomainRange, Layout, smallest
from recipec.selection.digest import IDENT
from recipec.selection.gathering import score_column
from recipec.selection.ranking import POOL, draw, statistics

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 1 << 20
"""Rows that are read at a time."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known of the candidates before they are read.

    Attributes:
        domains: the documents of each domain of the pool, sorted; `candidates`: all rows.
        values: per column its SQL and its numpy type.
    """

    domains: dict[str, int]
    candidates: int
    values: dict[str, tuple[str, str]]

    @property
    def rows(self) -> int:
        return sum(self.domains.values())


def store(connection: DuckDBPyConnection, op: logical.Rank, candidates: Path, folder: Path) -> tuple[Layout, bool]:
    """Writes the columns of the pool of stored candidates to a folder; returns also whether two readable rows of the
    candidates may have the same source and id.

    Args:
        candidates: the result of a `Gather`.
    """
    table = f"read_parquet({literal(str(candidates))}, hive_partitioning = false, file_row_number = true)"
    contents = _contents(connection, op, table)
    local.make_folder(folder)
    codes, draws, repeated = _read(connection, contents, op, table, folder)
    order = _order(codes, draws, list(contents.domains.values()))
    del codes
    _write(folder / "draw.bin", draws[order])
    del draws
    for name, (_, type_) in contents.values.items():
        _arrange(folder, name, type_, order)
    layout = Layout(
        rows=contents.rows,
        candidates=contents.candidates,
        domains=tuple(_ranges(contents.domains)),
        stats=statistics(connection, table, [name for name, _ in op.criteria]),
        rejected=_rejected(connection, table),
        columns=(("draw", "float64"), *((name, type_) for name, (_, type_) in contents.values.items())),
    )
    return layout, repeated


def _ranges(domains: dict[str, int]) -> Iterator[DomainRange]:
    start = 0
    for name, count in domains.items():
        yield DomainRange(name=name, start=start, stop=start + count)
        start += count


def _contents(connection: DuckDBPyConnection, op: logical.Rank, table: str) -> Contents:
    """One scan for the sizes of domains and the smallest types that hold all values."""
    names = [ident(score_column(name)) for name, _ in op.criteria]
    narrow = "".join(f", bool_and(coalesce({n} = {n} :: FLOAT :: DOUBLE, true))" for n in names)
    rows = connection.execute(
        f"SELECT domain, count(*), max(tokens), max(nest), count(cap){narrow} FROM {table} WHERE {POOL} "
        f"GROUP BY domain ORDER BY domain"
    ).fetchall()
    candidates = int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
    values = {
        "tokens": ("tokens", smallest(max((row[2] for row in rows), default=0))),
        "number": ("file_row_number", smallest(candidates)),
        "ident": (IDENT, "uint64"),
    }
    for number, name in enumerate(names):
        values[f"score_{number}"] = (name, "float32" if all(row[5 + number] for row in rows) else "float64")
    if nest := max((row[3] for row in rows), default=0):
        values["nest"] = ("nest", smallest(nest))
    if any(row[4] for row in rows):
        values["cap"] = ("cap", "float64")
    if op.top is not None:
        values["place"] = ("row_number() OVER (ORDER BY source, doc_id)", smallest(candidates))
    return Contents({row[0]: int(row[1]) for row in rows}, candidates, values)


def _read(
    connection: DuckDBPyConnection, contents: Contents, op: logical.Rank, table: str, folder: Path
) -> tuple[Array, Array, bool]:
    """Writes each column to `<name>.tmp`, in the order of the candidates; returns the number of the domain and the
    draw (n,) of each document, and whether two readable rows may have the same source and id."""
    codes, draws = np.empty(contents.rows, smallest(len(contents.domains))), np.empty(contents.rows)
    seen: list[Array] = []
    done = 0
    with contextlib.ExitStack() as files:
        out = {name: files.enter_context(open(folder / f"{name}.tmp", "wb")) for name in contents.values}
        for found in _fetched(connection, contents, op, table):
            seen.append(found["ident"])
            order = np.argsort(found["number"])
            order = order[found["pooled"][order]]
            stop = done + len(order)
            codes[done:stop], draws[done:stop] = found["domain_code"][order], found["draw"][order]
            for name, (_, type_) in contents.values.items():
                _filled(found[name], name)[order].astype(type_).tofile(out[name])
            done = stop
    every = np.sort(np.concatenate([np.empty(0, np.uint64), *seen]))
    return codes, draws, bool((every[1:] == every[:-1]).any())


def _fetched(
    connection: DuckDBPyConnection, contents: Contents, op: logical.Rank, table: str
) -> Iterator[dict[str, Array]]:
    """The readable rows with their columns, some at a time, in the order of the candidates."""
    words = ", ".join(literal(name) for name in contents.domains) or "''"
    connection.execute(f"DROP TYPE IF EXISTS pool_domain; CREATE TYPE pool_domain AS ENUM ({words})")
    columns = ", ".join(f"{value} AS {name}" for name, (value, _) in contents.values.items())
    code = "coalesce(enum_code(TRY_CAST(domain AS pool_domain)), 0) AS domain_code"
    query = f"SELECT {code}, {draw(op.seed)} AS draw, {POOL} AS pooled, {columns} FROM {table} WHERE bad IS NULL"
    if op.top is not None:
        # Places are in the order of all documents, so that they cannot be found piece by piece.
        connection.execute(f"CREATE OR REPLACE TEMP TABLE placed_pool AS {query}")
        query = "SELECT * FROM placed_pool WHERE true"
    for start in range(0, contents.candidates, ROWS):
        inside = f"AND {_number(op)} >= {start} AND {_number(op)} < {start + ROWS}"
        found: dict[str, Array] = connection.execute(f"{query} {inside}").fetchnumpy()
        yield found
    connection.execute("DROP TYPE pool_domain; DROP TABLE IF EXISTS placed_pool")


def _number(op: logical.Rank) -> str:
    return "number" if op.top is not None else "file_row_number"


def _filled(values: Array, name: str) -> Array:
    """A fetched column without a mask: a missing score is NaN, a missing limit infinite."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(values.filled(np.inf if name == "cap" else np.nan))
    return values


def _order(codes: Array, draws: Array, sizes: Sequence[int]) -> Array:
    """The order (n,) of documents by domain and draw, given the number of documents of each domain."""
    order = np.argsort(codes, kind="stable")
    start = 0
    for size in sizes:
        mine = order[start : start + size]
        order[start : start + size] = mine[np.argsort(draws[mine], kind="stable")]
        start += size
    return order


def _arrange(folder: Path, name: str, type_: str, order: Array) -> None:
    """Writes `<name>.bin`, the values of `<name>.tmp` in an order, and removes the latter."""
    source = folder / f"{name}.tmp"
    with local.replacing(folder / f"{name}.bin") as temporary, open(temporary, "wb") as out:
        if len(order):
            values = np.memmap(source, dtype=type_, mode="r", shape=(len(order),))
            for start in range(0, len(order), ROWS):
                values[order[start : start + ROWS]].tofile(out)
    local.remove(source)


def _write(path: Path, values: Array) -> None:
    with local.replacing(path) as temporary:
        values.tofile(temporary)


def _rejected(connection: DuckDBPyConnection, table: str) -> tuple[Reason, ...]:
    """The counts of the candidates outside the pool, by domain and reason."""
    rows = connection.execute(
        f"SELECT coalesce(domain, ''), CASE WHEN bad IS NULL THEN 'filtered' ELSE 'unreadable' END AS reason, "
        f"coalesce(bad, rejected_by), count(*), sum(CASE WHEN tokens > 0 THEN tokens ELSE 0 END) :: HUGEINT "
        f"FROM {table} WHERE NOT ({POOL}) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return tuple(
        Reason(domain=row[0], reason=row[1], rejected_by=row[2], documents=row[3], tokens=int(row[4] or 0))
        for row in rows
    )
