"""One query over many small Parquet shards that writes a file per shard: a query costs 5 ms before its first row."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from recipec.database import values
from recipec.database.sql import file, ident, literal
from recipec.ir.shapes import Columns
from recipec.places import local
from recipec.spec import References

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NUMBER = "__shard"
"""The column with the position of a row's shard."""

VIRTUAL = frozenset({NUMBER, "file_index", "file_row_number"})
"""Names that a scan adds to the rows; columns of these names in a shard would hide them."""


def scan(paths: Sequence[Path], own: Columns, wanted: References, row: str = "__row") -> str:
    """Like `shards.scan`, for files with the same columns, and with the column `NUMBER`."""
    files = f"read_parquet([{', '.join(map(file, paths))}], hive_partitioning = false, file_row_number = true)"
    numbers = f"file_row_number AS {ident(row)}, CAST(file_index AS BIGINT) AS {NUMBER}"
    return f"(SELECT {numbers}{values.selected(own, wanted)} FROM {files})"


def copy(connection: DuckDBPyConnection, query: str, destinations: Sequence[Path]) -> Collection[int]:
    """Writes the rows of each `NUMBER` of a query to the destination at that position.

    Returns:
        the positions that were written. Shards without rows are missing; after an error it is empty, and one query per
        shard then reports the error with the shard's name.
    """
    try:
        return parts(connection, query, destinations)
    except duckdb.Error:
        return ()


def parts(connection: DuckDBPyConnection, query: str, destinations: Sequence[Path]) -> Collection[int]:
    """As `copy`, with errors; every position that has rows is written.

    Raises:
        duckdb.Error: the query fails.
    """
    folder = destinations[0].with_name(f".together.{os.getpid()}.tmp")
    local.remove_folder(folder)
    options = f"FORMAT parquet, COMPRESSION zstd, PARTITION_BY ({NUMBER})"
    written: set[int] = set()
    try:
        connection.execute(f"COPY ({query}) TO {literal(str(folder))} ({options})")
        for name in local.names(folder):
            number = int(name.removeprefix(f"{NUMBER}="))
            made = [folder / name / part for part in local.names(folder / name)]
            if len(made) == 1:
                os.replace(made[0], destinations[number])
            else:
                # The engine keeps only so many files open, and begins another one for what comes later.
                whole = f"SELECT * FROM read_parquet([{', '.join(map(file, made))}], hive_partitioning = false)"
                copy_ = f"COPY ({whole}) TO {literal(str(destinations[number]))} (FORMAT parquet, COMPRESSION zstd)"
                connection.execute(copy_)
            written.add(number)
    finally:
        local.remove_folder(folder)
    return written
