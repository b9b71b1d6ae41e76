"""Copies the texts of placed documents from the input shards into the files of the dataset.

A dataset that is not shuffled keeps the order of its shards: the rows of a part stream from them into its file.

Parts of a shuffled dataset are filled in groups that fit in memory: one pass over the shards collects a group, then
each of its parts is sorted and written. If passes would reread too much (a dataset much larger than memory), the rows
are first scattered to a few files on disk by ranges of parts, and each range is then filled in turn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database.session import in_order
from recipec.database.sql import literal
from recipec.dataset.placing import Part
from recipec.dataset.rows import ROW, Layout, no_rows
from recipec.ir import logical
from recipec.ir.execution import Shard
from recipec.places import descriptors, local

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHARDS_PER_QUERY = 256

GATHERED = "recipec_texts.gathered"
"""The rows of one group, in a separate in-memory database."""

CHUNK = 8192
"""Rows that one thread takes at a time from `GATHERED`. DuckDB's default of 122,880 would be a whole part of long
texts, and one thread would compress it alone."""

SCATTER_ROWS = 65_536
"""Rows that a thread buffers before it appends them to the files of a scatter."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the dataset is held at once.

    Attributes:
        memory: share of the connection's memory for the texts of one group; sorting and writing a part need the rest.
        fan_out: number of ranges of one scatter, which is also the number of files open at once.
    """

    memory: float = 0.35
    fan_out: int = 64


@dataclass(frozen=True, slots=True)
class Gathering:
    """The settings for filling parts, the same for all parts."""

    connection: DuckDBPyConnection
    op: logical.Write
    shards: tuple[Shard, ...]
    layout: Layout
    scratch: Path
    memory: int  # bytes of text that one group may have
    fan_out: int  # ranges of one scatter


Rows = Callable[[int, int], tuple[str, ...]]
"""Maps a range of parts [first, end) to the queries for its rows, with `part` and `position`."""

Write = Callable[[Part, str], None]
"""Writes one part, given the table expression with its rows."""


def gather(gathering: Gathering, parts: Sequence[Part], write: Write) -> None:
    """Calls `write` for every part in order, each with a table expression of `layout.held()`, `part`, `position`."""

    def rows(first: int, end: int) -> tuple[str, ...]:
        return tuple(_input_queries(gathering, first, end))

    with _joins_as_written(gathering.connection), _table_of_texts(gathering.connection):
        if gathering.op.output.shuffle:
            _fill(gathering, tuple(parts), rows, _rescans(gathering, parts), gathering.scratch, write)
        else:
            for part in parts:
                _stream(gathering.connection, part, rows, write)


def _stream(connection: DuckDBPyConnection, part: Part, rows: Rows, write: Write) -> None:
    """Writes a part in the order of its shards, directly from them unless there are too many for one query."""
    queries = rows(part.number, part.number + 1)
    if len(queries) > 1:
        _fill_group(connection, (part,), rows, write)
    else:
        with in_order(connection):
            write(part, f"({queries[0]})")


def _fill(gathering: Gathering, parts: Sequence[Part], rows: Rows, rescans: bool, scratch: Path, write: Write) -> None:
    groups = _groups(parts, gathering.memory)
    if len(groups) == 1 or not rescans:
        for group in groups:
            _fill_group(gathering.connection, group, rows, write)
        return
    ranges = _ranges(parts, gathering.fan_out)
    _scatter(gathering, ranges, rows, scratch)
    for number, range_ in enumerate(ranges):
        bucket = scratch / f"bucket={number}"
        _fill(gathering, range_, _bucket_rows(bucket), True, bucket / "again", write)
        local.remove_folder(bucket)


def _fill_group(connection: DuckDBPyConnection, group: Sequence[Part], rows: Rows, write: Write) -> None:
    """Collects the rows of a group and writes its parts. Rows from a single query are sorted once, else per part."""
    queries = rows(group[0].number, group[-1].number + 1)
    sorted_, order = (" ORDER BY position", "") if len(queries) == 1 else ("", " ORDER BY position")
    with in_order(connection):
        connection.execute(f"CREATE OR REPLACE TABLE {GATHERED} AS FROM ({queries[0]}){sorted_}")
        for query in queries[1:]:
            connection.execute(f"INSERT INTO {GATHERED} {query}")
        for part in group:
            write(part, f"(FROM {GATHERED} WHERE part = {part.number}{order})")
        connection.execute(f"DROP TABLE {GATHERED}")


def _input_queries(gathering: Gathering, first: int, end: int) -> Iterator[str]:
    """The queries for the rows of parts [first, end) from the shards that contain any, several shards per query. There
    is always a first query, so that an empty dataset has its columns."""
    touched = gathering.connection.execute(
        f"SELECT DISTINCT input FROM placed WHERE part >= {first} AND part < {end} ORDER BY input"
    ).fetchall()
    inputs = [row[0] for row in touched]
    most = min(SHARDS_PER_QUERY, descriptors.for_one_query())
    for start in range(0, max(len(inputs), 1), most):
        some = inputs[start : start + most]
        branches = [_shard_query(gathering, number, first, end) for number in some]
        branches = branches or [no_rows(gathering.layout.held())]
        yield " UNION ALL ".join(branches)


def _shard_query(gathering: Gathering, number: int, first: int, end: int) -> str:
    scan, values = gathering.layout.values(gathering.shards[number])
    places, copies = _places(gathering, number, first, end)
    values += [f"places.{name}" for name in ("source", "doc_id", "domain", "tokens")] + [copies]
    listed = ", ".join(f"{value} AS c{number}" for number, value in enumerate(values))
    return (
        f"SELECT places.part, places.position, {listed} FROM {scan} AS texts "
        f"JOIN {places} AS places ON places.row = texts.{ROW}"
    )


def _places(gathering: Gathering, number: int, first: int, end: int) -> tuple[str, str]:
    """SQL of the placed rows of one shard, and of the value of `copies` of each."""
    where = f"WHERE input = {number} AND part >= {first} AND part < {end}"
    repeated = f"SELECT coalesce(max(copies), 0) > 1 FROM placed {where}"
    as_rows = gathering.op.output.copies == "rows"
    if gathering.op.output.shuffle or not as_rows or not gathering.connection.execute(repeated).fetchall()[0][0]:
        return f"(FROM placed {where})", "places.copies"
    # A join may return the copies of a document in any order; one row per document with a list of copies is ordered.
    kept = ", ".join(
        f"any_value({name}) AS {name}" for name in ("part", "position", "source", "doc_id", "domain", "tokens")
    )
    listed = f"(SELECT row, {kept}, list(copies ORDER BY copies) AS copies FROM placed {where} GROUP BY row)"
    return listed, "unnest(places.copies)"


def _groups(parts: Sequence[Part], memory: int) -> list[Sequence[Part]]:
    """Groups of consecutive parts, each with as many as fit in memory, but at least one."""
    groups: list[Sequence[Part]] = []
    start = size = 0
    for index, part in enumerate(parts):
        if index > start and size + part.bytes > memory:
            groups.append(parts[start:index])
            start, size = index, 0
        size += part.bytes
    groups.append(parts[start:])
    return groups


def _ranges(parts: Sequence[Part], most: int) -> list[Sequence[Part]]:
    """At most `most` ranges of consecutive parts, of equal length."""
    length = -(-len(parts) // most)
    return [parts[start : start + length] for start in range(0, len(parts), length)]


def _rescans(gathering: Gathering, parts: Sequence[Part]) -> bool:
    """Whether filling group by group would reread more bytes of shards than a scatter writes."""
    bounds = [group[-1].number for group in _groups(parts, gathering.memory)]
    touched = gathering.connection.execute(
        """
        SELECT input, count(DISTINCT list_position($1, least_bound)) FROM (
            SELECT input, list_min(list_filter($1, lambda bound: bound >= part)) AS least_bound
            FROM (SELECT DISTINCT input, part FROM placed WHERE part >= $2)
        ) GROUP BY input
        """,
        [bounds, parts[0].number],
    ).fetchall()
    again = sum(gathering.shards[number].bytes * (passes - 1) for number, passes in touched)
    return bool(again > sum(part.bytes for part in parts))


def _scatter(gathering: Gathering, ranges: Sequence[Sequence[Part]], rows: Rows, scratch: Path) -> None:
    """Writes the rows of all ranges to `scratch/bucket=<number>/`, one folder per range."""
    local.remove_folder(scratch)
    local.make_folder(scratch)
    length, first = len(ranges[0]), ranges[0][0].number
    connection = gathering.connection
    connection.execute(f"SET partitioned_write_flush_threshold = {SCATTER_ROWS}")
    for number, query in enumerate(rows(first, ranges[-1][-1].number + 1)):
        connection.execute(
            f"COPY (SELECT *, (part - {first}) // {length} AS bucket FROM ({query})) TO {literal(str(scratch))} "
            f"(FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 8192, DICTIONARY_SIZE_LIMIT 1, "
            f"PARTITION_BY (bucket), OVERWRITE_OR_IGNORE, FILENAME_PATTERN {literal(f'q{number}_{{i}}')})"
        )
    connection.execute("RESET partitioned_write_flush_threshold")


def _bucket_rows(bucket: Path) -> Rows:
    def rows(first: int, end: int) -> tuple[str, ...]:
        files = literal(str(bucket / "*.parquet"))
        source = f"read_parquet({files}, hive_partitioning = false)"
        return (f"SELECT * FROM {source} WHERE part >= {first} AND part < {end}",)

    return rows


@contextlib.contextmanager
def _table_of_texts(connection: DuckDBPyConnection) -> Iterator[None]:
    database = GATHERED.partition(".")[0]
    connection.execute(f"DETACH DATABASE IF EXISTS {database}")
    connection.execute(f"ATTACH ':memory:' AS {database} (ROW_GROUP_SIZE {CHUNK})")
    try:
        yield
    finally:
        connection.execute(f"DETACH DATABASE {database}")


@contextlib.contextmanager
def _joins_as_written(connection: DuckDBPyConnection) -> Iterator[None]:
    """Makes joins keep their right side, which is the small one, in memory: the texts must stream past it, regardless
    of the optimiser's estimates."""
    connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    try:
        yield
    finally:
        connection.execute("RESET disabled_optimizers")
