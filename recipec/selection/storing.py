"""Makes the columns of the readable documents: read once in pieces, then arranged by domain and draw."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.database import session
from recipec.database.sql import ident, literal
from recipec.ir import logical
from recipec.ir.selection import Reason
from recipec.places import local
from recipec.selection.columns import DomainRange, Layout, smallest
from recipec.selection.digest import IDENT
from recipec.selection.gathering import score_column
from recipec.selection.ranking import draw

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 1 << 20
"""Rows that are read or written at a time."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is known of the documents before they are read.

    Attributes:
        domains: the readable documents of each domain, sorted; `candidates`: all rows.
        values: per column its SQL and its numpy type.
        unreadable: the counts of the rows that are not readable.
    """

    domains: dict[str, int]
    candidates: int
    values: dict[str, tuple[str, str]]
    unreadable: tuple[Reason, ...]

    @property
    def rows(self) -> int:
        return sum(self.domains.values())


def store(
    connection: DuckDBPyConnection, op: logical.Rank, whole: str, pieces: Sequence[str], below: int, folder: Path
) -> tuple[Layout, bool]:
    """Writes the columns of all readable documents to a folder; returns also whether two of them may have the same source
    and id. The layout has no statistics: these are of the documents that pass the clauses.

    Args:
        whole: a table expression of the result of a `Gather`; `pieces`: of parts of it.
        below: the numbers of documents are less.
    """
    contents = _contents(connection, op, whole, below)
    local.make_folder(folder)
    codes, draws, repeated = _read(connection, contents, op, pieces, folder)
    numbers = np.memmap(folder / "number.tmp", dtype=contents.values["number"][1], mode="r") if len(codes) else codes
    order = _order(codes, draws, numbers, list(contents.domains.values()), session.threads(connection))
    del codes, numbers
    _write(folder / "draw.bin", draws[order])
    del draws
    for name, (_, type_) in contents.values.items():
        _arrange(folder, name, type_, order)
    layout = Layout(
        rows=contents.rows,
        candidates=contents.candidates,
        domains=ranges(contents.domains),
        stats=(),
        rejected=contents.unreadable,
        columns=(("draw", "float64"), *((name, type_) for name, (_, type_) in contents.values.items())),
    )
    return layout, repeated


def ranges(domains: dict[str, int]) -> tuple[DomainRange, ...]:
    """The ranges of domains, in order, with so many documents."""
    found, start = [], 0
    for name, count in domains.items():
        found.append(DomainRange(name=name, start=start, stop=start + count))
        start += count
    return tuple(found)


def _contents(connection: DuckDBPyConnection, op: logical.Rank, table: str, below: int) -> Contents:
    """One scan for the sizes of domains and the smallest types that hold all values."""
    names = [ident(score_column(name)) for name, _ in op.criteria]
    narrow = "".join(
        f", bool_and({n} IS NULL OR coalesce({n} = TRY_CAST({n} AS FLOAT) :: DOUBLE, false))" for n in names
    )
    rows = connection.execute(
        f"SELECT coalesce(domain, ''), bad, count(*), sum(CASE WHEN tokens > 0 THEN tokens ELSE 0 END) :: HUGEINT, "
        f"max(tokens), max(nest), count(cap){narrow} FROM {table} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    good = [row for row in rows if row[1] is None]
    values = {
        "tokens": ("tokens", smallest(max((row[4] for row in good), default=0))),
        "number": ("number", smallest(below)),
        "ident": (IDENT, "uint64"),
    }
    for number, name in enumerate(names):
        values[f"score_{number}"] = (name, "float32" if all(row[7 + number] for row in good) else "float64")
    if nest := max((row[5] for row in good), default=0):
        values["nest"] = ("nest", smallest(nest))
    if any(row[6] for row in good):
        values["cap"] = ("cap", "float64")
    if op.top is not None:
        values["place"] = ("row_number() OVER (ORDER BY source, doc_id)", smallest(below))
    unreadable = tuple(
        Reason(domain=row[0], reason="unreadable", rejected_by=row[1], documents=row[2], tokens=int(row[3] or 0))
        for row in rows
        if row[1] is not None
    )
    return Contents({row[0]: int(row[2]) for row in good}, sum(row[2] for row in rows), values, unreadable)


def _read(
    connection: DuckDBPyConnection, contents: Contents, op: logical.Rank, pieces: Sequence[str], folder: Path
) -> tuple[Array, Array, bool]:
    """Writes each column to `<name>.tmp`, in any order; returns the number of the domain and the draw (n,) of each
    document in that order, and whether two may have the same source and id."""
    codes, draws = np.empty(contents.rows, smallest(len(contents.domains))), np.empty(contents.rows)
    idents = np.empty(contents.rows, np.uint64)
    done = 0
    with contextlib.ExitStack() as files:
        out = {name: files.enter_context(open(folder / f"{name}.tmp", "wb")) for name in contents.values}
        for found in _fetched(connection, contents, op, pieces):
            stop = done + len(found["draw"])
            codes[done:stop], draws[done:stop] = found["domain_code"], found["draw"]
            idents[done:stop] = found["ident"]
            for name, (_, type_) in contents.values.items():
                _filled(found[name], name).astype(type_, copy=False).tofile(out[name])
            done = stop
    assert done == contents.rows, "the pieces are the whole"
    idents.sort()
    return codes, draws, bool((idents[1:] == idents[:-1]).any())


def _fetched(
    connection: DuckDBPyConnection, contents: Contents, op: logical.Rank, pieces: Sequence[str]
) -> Iterator[dict[str, Array]]:
    """The readable documents with their columns, some at a time."""
    words = ", ".join(literal(name) for name in contents.domains) or "''"
    connection.execute(f"DROP TYPE IF EXISTS pool_domain; CREATE TYPE pool_domain AS ENUM (SELECT unnest([{words}]))")
    columns = ", ".join(f"{value} AS {name}" for name, (value, _) in contents.values.items())
    code = "enum_code(CAST(domain AS pool_domain)) AS domain_code"
    query = f"SELECT {code}, {draw(op.seed)} AS draw, {columns}"
    if op.top is not None:
        # Places are in the order of all documents, so that they cannot be found piece by piece.
        whole = " UNION ALL ".join(f"SELECT * FROM {piece} WHERE bad IS NULL" for piece in pieces)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE placed_pool AS {query} FROM ({whole})")
        query = "SELECT *"
        pieces = [
            f"(SELECT *, NULL AS bad FROM placed_pool WHERE place % {len(pieces)} = {n})" for n in range(len(pieces))
        ]
    for piece in pieces:
        found: dict[str, Array] = connection.execute(f"{query} FROM {piece} WHERE bad IS NULL").fetchnumpy()
        yield found
    connection.execute("DROP TYPE pool_domain; DROP TABLE IF EXISTS placed_pool")


def _filled(values: Array, name: str) -> Array:
    """A fetched column without a mask: a missing score is NaN, a missing limit infinite."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(values.filled(np.inf if name == "cap" else np.nan))
    return values


def _order(codes: Array, draws: Array, numbers: Array, sizes: Sequence[int], threads: int) -> Array:
    """The order (n,) of documents by domain, draw and number, given the number of documents of each domain."""
    order = np.argsort(codes, kind="stable")
    stops = np.cumsum(sizes, dtype=np.int64)

    def arrange(start: int, stop: int) -> None:
        mine = order[start:stop]
        mine = mine[np.argsort(draws[mine])]
        ordered = draws[mine]
        if (ordered[1:] == ordered[:-1]).any():
            mine = mine[np.lexsort((numbers[mine], ordered))]
        order[start:stop] = mine

    with ThreadPoolExecutor(threads) as workers:
        for _ in workers.map(arrange, stops - np.asarray(sizes, np.int64), stops):
            pass
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
