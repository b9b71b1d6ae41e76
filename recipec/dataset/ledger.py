"""The ledger (every candidate with its reason), and the unreadable rows with the reason why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database import sql
from recipec.database.sql import literal
from recipec.dataset.staging import Staging
from recipec.ir.execution import DataFile, Shard
from recipec.ir.selection import Selection
from recipec.places import local

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_PER_FILE = 10_000_000

ROW_GROUP = 98_304
"""Rows per row group (48 DuckDB vectors): finding a document reads one row group."""

UNREADABLE = "unreadable/part-00000.parquet"


def table(path: Path) -> str:
    """The table expression of one Parquet file."""
    return f"read_parquet({sql.file(path)}, hive_partitioning = false)"


def tables(paths: Sequence[Path]) -> str:
    """The table expression of some Parquet files with the same schema."""
    return f"read_parquet([{', '.join(sql.file(path) for path in paths)}], hive_partitioning = false)"


def write_ledger(
    connection: DuckDBPyConnection,
    rows: Callable[[], str],
    selection: Selection,
    shards: Sequence[Shard],
    staging: Staging,
) -> tuple[DataFile, ...]:
    """Writes the rows of the SQL that `rows` gives, the candidates of a selection, to `ledger/`, sorted by (source, doc_id)."""
    parts = max(1, -(-selection.candidates // ROWS_PER_FILE))
    paths = [f"ledger/part-{number:05}.parquet" for number in range(parts)]
    records = [staging.finished(path) for path in paths]
    finished = tuple(record for record in records if record is not None)
    if len(finished) == len(paths):
        return finished
    narrow, order = _narrowed(rows(), selection, shards), _order(selection, shards)
    if len(paths) == 1:
        return (_write_part(connection, narrow, order, staging, paths[0]),)
    # Pieces of many millions of rows are cut from a sorted copy by row number, each with memory for one piece.
    local.make_folder(staging.scratch)
    copy = staging.scratch / "ledger.parquet"
    copy_sorted(connection, narrow, order, copy)
    return tuple(_write_part(connection, _cut(copy, number), order, staging, path) for number, path in enumerate(paths))


def _order(selection: Selection, shards: Sequence[Shard]) -> str:
    """SQL of the order by (source, doc_id, shard, row), without the keys that decide nothing: sorting by fewer takes less
    time. An unreadable row may have no id, or that of another row; else source and id are unique."""
    several = len({shard.source for shard in shards}) > 1
    unreadable = any(reason.reason == "unreadable" for reason in selection.reasons)
    return ", ".join([*(["source"] if several else []), "doc_id", *(["shard", "row"] if unreadable else [])])


def _narrowed(rows: str, selection: Selection, shards: Sequence[Shard]) -> str:
    """SQL of the ledger's rows with what few words there are as numbers: these are sorted and compressed in less time, and
    written as the words."""
    domains = {cell.domain for cell in selection.cells} | {reason.domain for reason in selection.reasons}
    words = {
        "source": {shard.source for shard in shards},
        "shard": {shard.path for shard in shards},
        "domain": domains,
        "rejected_by": {reason.rejected_by for reason in selection.reasons if reason.rejected_by},
    }
    columns = ", ".join(
        f"CAST({name} AS ENUM ({', '.join(map(literal, sorted(found)))})) AS {name}"
        for name, found in words.items()
        # The words of an inline type are texts as they stand, which cannot have the character NUL.
        if found and not any("\0" in one for one in found)
    )
    return f"SELECT * REPLACE ({columns}) FROM ({rows})"


def write_unreadable(connection: DuckDBPyConnection, written: str, staging: Staging) -> tuple[DataFile, ...]:
    """Writes the location of each unreadable row of a written ledger, and what is wrong with it."""

    def make(path: Path) -> tuple[int, int]:
        rows = f"SELECT source, shard, row, doc_id, bad, evidence AS value FROM {written} WHERE bad IS NOT NULL"
        copy_sorted(connection, rows, "source, shard, row", path)
        return count(connection, table(path)), 0

    return (staging.write(UNREADABLE, make),)


def copy_sorted(connection: DuckDBPyConnection, rows: str, order: str, path: Path) -> None:
    connection.execute(
        f"COPY (FROM ({rows}) ORDER BY {order}) TO {literal(str(path))} "
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
    )


def count(connection: DuckDBPyConnection, relation: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _cut(ordered: Path, number: int) -> str:
    """SQL of the rows of one piece of a sorted ledger."""
    first = number * ROWS_PER_FILE
    source = f"read_parquet({sql.file(ordered)}, hive_partitioning = false, file_row_number = true)"
    return (
        f"SELECT * EXCLUDE (file_row_number) FROM {source} "
        f"WHERE file_row_number >= {first} AND file_row_number < {first + ROWS_PER_FILE}"
    )


def _write_part(connection: DuckDBPyConnection, rows: str, order: str, staging: Staging, path: str) -> DataFile:
    def make(temporary: Path) -> tuple[int, int]:
        copy_sorted(connection, rows, order, temporary)
        return figures(connection, table(temporary))

    return staging.write(path, make)


def figures(connection: DuckDBPyConnection, relation: str) -> tuple[int, int]:
    """The number of rows in a piece of the ledger, and the tokens of the readable ones."""
    row = connection.execute(
        f"SELECT count(*), CAST(coalesce(sum(tokens) FILTER (bad IS NULL), 0) AS BIGINT) FROM {relation}"
    ).fetchall()[0]
    return int(row[0]), int(row[1])
