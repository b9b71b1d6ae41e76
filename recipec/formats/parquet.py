"""`output parquet "out/mix"`: Parquet files, the default; shards are `.parquet`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database import types
from recipec.database.sql import file, ident, literal
from recipec.spec import Columns, Format, Structure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def suffix(compression: str) -> str:
    return ".parquet"


def columns(connection: DuckDBPyConnection, path: Path) -> Columns:
    return types.columns(connection, f"read_parquet({file(path)}, hive_partitioning = false)")


def structure(connection: DuckDBPyConnection, path: Path) -> Structure:
    """The columns and the number of rows, from the footer."""
    query = f"SELECT CAST(sum(num_rows) AS BIGINT) FROM parquet_file_metadata({file(path)})"
    found = columns(connection, path)
    return Structure(found, int(connection.execute(query).fetchall()[0][0] or 0))


def has_nulls(connection: DuckDBPyConnection, path: Path, column: str) -> bool:
    """Whether a column may have nulls, from the counts in the footer, which avoids reading all texts."""
    query = f"SELECT bool_and(stats_null_count = 0) FROM parquet_metadata({file(path)}) WHERE path_in_schema = ?"
    return not connection.execute(query, [column]).fetchall()[0][0]


def scan(path: Path, columns: Columns, row: str) -> str:
    names = "".join(f", {ident(name)}" for name, _ in columns)
    table = f"read_parquet({file(path)}, hive_partitioning = false, file_row_number = true)"
    return f"(SELECT file_row_number AS {ident(row)}{names} FROM {table})"


def write(connection: DuckDBPyConnection, query: str, path: Path, compression: str, row_group: int) -> int:
    word = "uncompressed" if compression == "none" else compression
    options = f"FORMAT parquet, COMPRESSION {word}, ROW_GROUP_SIZE {row_group}"
    return int(connection.execute(f"COPY ({query}) TO {literal(str(path))} ({options})").fetchall()[0][0])


def read_back(paths: Sequence[Path], columns: Sequence[tuple[str, str]]) -> str:
    names = ", ".join(ident(name) for name, _ in columns)
    return f"(SELECT {names} FROM read_parquet([{', '.join(map(file, paths))}], hive_partitioning = false))"


SPEC = Format(
    name="parquet",
    summary="Parquet files with row groups of about 32 MB",
    suffixes=(".parquet",),
    compressions=("zstd", "snappy", "gzip", "lz4", "none"),
    suffix=suffix,
    columns=columns,
    structure=structure,
    scan=scan,
    write=write,
    read_back=read_back,
    loader="parquet",
    has_nulls=has_nulls,
)
