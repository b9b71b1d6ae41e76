"""The ledger (every candidate with its reason), and the unreadable rows with the reason why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database import sql
from recipec.database.session import in_order
from recipec.database.sql import literal
from recipec.dataset.staging import Staging
from recipec.ir.execution import DataFile
from recipec.places import local

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_PER_FILE = 10_000_000

ROW_GROUP = 98_304
"""Rows per row group (48 DuckDB vectors): finding a document reads one row group."""

ORDER = "source, doc_id, shard, row"
"""An unreadable row may have no id, or that of another row; shard and row make the order unique."""

UNREADABLE = "unreadable/part-00000.parquet"


def table(path: Path) -> str:
    """The table expression of one Parquet file."""
    return f"read_parquet({sql.file(path)}, hive_partitioning = false)"


def tables(paths: Sequence[Path]) -> str:
    """The table expression of some Parquet files with the same schema."""
    return f"read_parquet([{', '.join(sql.file(path) for path in paths)}], hive_partitioning = false)"


def write_ledger(connection: DuckDBPyConnection, sampled: Path, staging: Staging) -> tuple[DataFile, ...]:
    """Writes the rows of `sampled` to `ledger/`, sorted by (source, doc_id)."""
    total = count(connection, table(sampled))
    paths = [f"ledger/part-{number:05}.parquet" for number in range(max(1, -(-total // ROWS_PER_FILE)))]
    records = [staging.finished(path) for path in paths]
    finished = tuple(record for record in records if record is not None)
    if len(finished) == len(paths):
        return finished
    ordered = _ordered(connection, sampled, staging) if len(paths) > 1 else sampled
    return tuple(_write_part(connection, ordered, staging, number, path) for number, path in enumerate(paths))


def write_unreadable(connection: DuckDBPyConnection, sampled: Path, staging: Staging) -> tuple[DataFile, ...]:
    """Writes the location of each unreadable row and what is wrong with it."""

    def make(path: Path) -> tuple[int, int]:
        rows = f"SELECT source, shard, row, doc_id, bad FROM {table(sampled)} WHERE bad IS NOT NULL"
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


def _write_part(connection: DuckDBPyConnection, ordered: Path, staging: Staging, number: int, path: str) -> DataFile:
    first = number * ROWS_PER_FILE
    source = f"read_parquet({sql.file(ordered)}, hive_partitioning = false, file_row_number = true)"

    def make(temporary: Path) -> tuple[int, int]:
        rows = (
            f"SELECT * EXCLUDE (file_row_number) FROM {source} "
            f"WHERE file_row_number >= {first} AND file_row_number < {first + ROWS_PER_FILE}"
        )
        copy_sorted(connection, rows, ORDER, temporary)
        return figures(connection, table(temporary))

    return staging.write(path, make)


def figures(connection: DuckDBPyConnection, relation: str) -> tuple[int, int]:
    """The number of rows in a piece of the ledger, and the tokens of the readable ones."""
    row = connection.execute(
        f"SELECT count(*), CAST(coalesce(sum(tokens) FILTER (bad IS NULL), 0) AS BIGINT) FROM {relation}"
    ).fetchall()[0]
    return int(row[0]), int(row[1])


def _ordered(connection: DuckDBPyConnection, sampled: Path, staging: Staging) -> Path:
    """A file with the rows in the ledger's order: `sampled` itself, which usually is in order, or a sorted copy.

    Pieces of many millions of rows are cut from it by row number, and each is sorted with memory for one piece."""
    if _is_ordered(connection, sampled):
        return sampled
    local.make_folder(staging.scratch)
    copy = staging.scratch / "ledger.parquet"
    copy_sorted(connection, f"FROM {table(sampled)}", ORDER, copy)
    return copy


def _is_ordered(connection: DuckDBPyConnection, path: Path) -> bool:
    before = [f"lag({name}) OVER () AS last_{name}" for name in ("source", "doc_id", "shard", "row")]
    with in_order(connection):
        row = connection.execute(
            f"""
            SELECT coalesce(bool_and(source > last_source OR (source = last_source AND (
                coalesce(doc_id > last_doc_id, doc_id IS NULL AND last_doc_id IS NOT NULL)
                OR (doc_id IS NOT DISTINCT FROM last_doc_id AND (shard, row) > (last_shard, last_row))))), true)
            FROM (SELECT source, doc_id, shard, row, {", ".join(before)} FROM {table(path)})
            WHERE last_source IS NOT NULL
            """
        ).fetchall()[0]
    return bool(row[0])
