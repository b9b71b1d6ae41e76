"""Makes the columns of the readable documents: read once in pieces, then arranged by domain and draw."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.database import session
from recipec.database.connection import another
from recipec.database.sql import ident, literal
from recipec.ir import logical
from recipec.ir.selection import Reason
from recipec.places import local, sealed
from recipec.selection.columns import DomainRange, Layout, smallest
from recipec.selection.gathering import score_column
from recipec.selection.ranking import draw

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 1 << 20
"""Rows that are read or written at a time."""

AHEAD = 2
"""Pieces that are read while one is used."""

SHARING = 100_000
"""Documents with equal draws that are compared by id: among a billion ids that all differ, about 200 have another's draw."""


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
) -> tuple[Layout, Array]:
    """Writes the columns of all readable documents to a folder; returns also the numbers of those that share their draw, as
    all with the same source and id do: the first `SHARING` of them. The layout has no statistics: these are of the documents
    that pass the clauses.

    Args:
        whole: a table expression of the result of a `Gather`; `pieces`: of parts of it.
        below: the numbers of documents are less.
    """
    contents = _contents(connection, op, whole, below)
    local.make_folder(folder)
    threads = session.threads(connection)
    codes, draws = _read(connection, contents, op, pieces, folder)
    numbers = np.memmap(folder / "number.tmp", dtype=contents.values["number"][1], mode="r") if len(codes) else codes
    order = _order(codes, draws, numbers, list(contents.domains.values()), threads)
    del codes
    _write(folder / "draw.bin", draws[order])
    repeated = _repeated(draws)
    sharing = numbers[np.isin(draws, repeated)][:SHARING].copy() if len(repeated) else repeated
    del draws, numbers
    with ThreadPoolExecutor(threads) as workers:
        columns = list(contents.values.items())
        for _ in workers.map(lambda column: _arrange(folder, column[0], column[1][1], order), columns):
            pass
    layout = Layout(
        rows=contents.rows,
        candidates=contents.candidates,
        domains=ranges(contents.domains),
        stats=(),
        rejected=contents.unreadable,
        columns=(("draw", "float64"), *((name, type_) for name, (_, type_) in contents.values.items())),
    )
    return layout, sharing


def _repeated(draws: Array) -> Array:
    """The draws that several documents have."""
    ordered = np.sort(draws)
    found: Array = ordered[1:][ordered[1:] == ordered[:-1]]
    return found


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
) -> tuple[Array, Array]:
    """Writes each column to `<name>.tmp`, in any order; returns the number of the domain and the draw (n,) of each
    document in that order."""
    codes, draws = np.empty(contents.rows, smallest(len(contents.domains))), np.empty(contents.rows)
    done = 0
    with contextlib.ExitStack() as files:
        out = {name: files.enter_context(open(folder / f"{name}.tmp", "wb")) for name in contents.values}
        for found in _fetched(connection, contents, op, pieces):
            stop = done + len(found["draw"])
            codes[done:stop], draws[done:stop] = found["domain_code"], found["draw"]
            for name, (_, type_) in contents.values.items():
                _filled(found[name], name).astype(type_, copy=False).tofile(out[name])
            done = stop
    assert done == contents.rows, "the pieces are the whole"
    return codes, draws


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
            yield connection.execute(f"{query} FROM {piece} WHERE bad IS NULL").fetchnumpy()
    else:
        yield from _ahead(connection, [f"{query} FROM {piece} WHERE bad IS NULL" for piece in pieces])
    connection.execute("DROP TYPE pool_domain; DROP TABLE IF EXISTS placed_pool")


def _ahead(connection: DuckDBPyConnection, queries: Sequence[str]) -> Iterator[dict[str, Array]]:
    """The rows of each query, in order; while they are used, the next ones are read."""

    def read(query: str) -> dict[str, Array]:
        with another(connection) as reader:
            return reader.execute(query).fetchnumpy()

    with ThreadPoolExecutor(AHEAD) as readers:
        waiting: deque[Future[dict[str, Array]]] = deque()
        for query in queries:
            waiting.append(readers.submit(read, query))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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
    with sealed.replacing(folder / f"{name}.bin") as temporary, open(temporary, "wb") as out:
        if len(order):
            values = np.memmap(source, dtype=type_, mode="r", shape=(len(order),))
            for start in range(0, len(order), ROWS):
                values[order[start : start + ROWS]].tofile(out)
    local.remove(source)


def _write(path: Path, values: Array) -> None:
    with sealed.replacing(path) as temporary:
        values.tofile(temporary)
