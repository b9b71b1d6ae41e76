"""One query over many small Parquet shards that writes a file for each: a query costs 5 ms before its first row."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from recipec.database.sql import file, ident, literal
from recipec.places import local

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NUMBER = "__shard"
"""The column that says by its position which shard a row is of."""

VIRTUAL = frozenset({NUMBER, "file_index", "file_row_number"})
"""A shard that has columns of these names hides what a scan adds to the rows."""


def scan(paths: Sequence[Path], columns: Sequence[str], row: str = "__row") -> str:
    """As `shards.scan`, of files of the same schema, and with `NUMBER`."""
    names = "".join(f", {ident(name)}" for name in columns)
    files = f"read_parquet([{', '.join(map(file, paths))}], hive_partitioning = false, file_row_number = true)"
    return f"(SELECT file_row_number AS {ident(row)}, CAST(file_index AS BIGINT) AS {NUMBER}{names} FROM {files})"


def copy(connection: DuckDBPyConnection, query: str, destinations: Sequence[Path]) -> Collection[int]:
    """Writes the rows of each `NUMBER` of a query to the destination at that position.

    Returns:
        The positions that were written. Those of shards without rows are not, and none are after an error, which one query
        for each shard then tells of by its name.
    """
    folder = destinations[0].with_name(f".together.{os.getpid()}.tmp")
    local.remove_folder(folder)
    options = f"FORMAT parquet, COMPRESSION zstd, PARTITION_BY ({NUMBER})"
    written: set[int] = set()
    try:
        connection.execute(f"COPY ({query}) TO {literal(str(folder))} ({options})")
        for name in local.names(folder):
            number = int(name.removeprefix(f"{NUMBER}="))
            parts = local.names(folder / name)
            if len(parts) == 1:
                os.replace(folder / name / parts[0], destinations[number])
                written.add(number)
    except duckdb.Error:
        return ()
    finally:
        local.remove_folder(folder)
    return written
