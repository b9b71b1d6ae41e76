"""`output parquet "out/mix"`: Parquet files, the default; shards are `.parquet`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database import types, values
from recipec.database.sql import Sql, file, ident, literal, word
from recipec.ir import shapes
from recipec.ir.shapes import Columns, Shape
from recipec.places import local
from recipec.spec import Format, References, Structure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def suffix(compression: str) -> str:
    return ".parquet"


def columns(connection: DuckDBPyConnection, path: Path) -> Columns:
    """The columns, by the names that the file gives them: DuckDB renames those that differ only in case."""
    if not local.size(path):
        return ()
    query = f"SELECT name, num_children FROM parquet_schema({file(path)})"
    elements = connection.execute(query).fetchall()
    return types.columns(connection, _table(path), names(elements))


def names(elements: Sequence[tuple[str, int | None]]) -> list[str]:
    """The names of the columns among the elements of a schema, each with the number of its children; the root is first."""
    found: list[str] = []
    at = 1

    def skip(position: int) -> int:
        children = elements[position][1] or 0
        position += 1
        for _ in range(children):
            position = skip(position)
        return position

    while at < len(elements):
        found.append(elements[at][0])
        at = skip(at)
    return found


def structure(connection: DuckDBPyConnection, path: Path) -> Structure:
    """The columns and the number of rows, from the footer."""
    found = columns(connection, path)
    if not found:
        return Structure((), 0)
    query = f"SELECT CAST(sum(num_rows) AS BIGINT) FROM parquet_file_metadata({file(path)})"
    return Structure(found, int(connection.execute(query).fetchall()[0][0] or 0))


def _table(path: Path, more: str = "") -> str:
    return f"read_parquet({file(path)}, hive_partitioning = false{more})"


def _named(path: Path, own: Columns) -> tuple[str, dict[str, Sql]]:
    """A table expression of all columns, and SQL of those whose name in it is another than the file's."""
    table = _table(path, ", file_row_number = true")
    if len({name.lower() for name, _ in own}) == len(own):
        return table, {}
    numbers = {name: ident(f"c{number}") for number, (name, _) in enumerate(own)}
    return f"{table} AS named({', '.join(numbers.values())})", numbers


def scan(path: Path, own: Columns, wanted: References, row: str) -> str:
    table, renamed = _named(path, own)
    return f"(SELECT file_row_number AS {ident(row)}{values.selected(own, wanted, renamed)} FROM {table})"


def whole(path: Path, own: Columns, wanted: Columns, row: str) -> str:
    table, renamed = _named(path, own)
    shaped = {name: shapes.parse(text) for name, text in own}
    listed = "".join(
        f", {_stored_value(name, renamed.get(name, ident(name)), shaped.get(name), type_)} AS c{number}"
        for number, (name, type_) in enumerate(wanted)
    )
    return f"(SELECT file_row_number AS {ident(row)}{listed} FROM {table})"


def _stored_value(name: str, sql: str, shape: Shape | None, type_: str) -> str:
    if shape is None or shape == shapes.NULL:
        return f"CAST(NULL AS {type_})"
    if shape.word == "BLOB" and type_ == "VARCHAR":
        return f"TRY(decode({sql}))"
    if type_ == "DOUBLE" and shape.word in values.WIDE:
        return values.exact_double(name, sql)
    return f"to_json({sql})" if type_ == "JSON" and shape != shapes.JSON else f"CAST({sql} AS {type_})"


def stored(connection: DuckDBPyConnection, path: Path, own: Columns) -> Columns:
    if not own:
        return ()
    rows = connection.execute(f"DESCRIBE SELECT * FROM {_table(path)}").fetchall()
    return tuple((name, row[1]) for (name, _), row in zip(own, rows, strict=True))


def write(connection: DuckDBPyConnection, query: str, path: Path, compression: str, row_group: int) -> int:
    kind = word("uncompressed" if compression == "none" else compression, WORDS)
    options = f"FORMAT parquet, COMPRESSION {kind}, ROW_GROUP_SIZE {row_group}"
    return int(connection.execute(f"COPY ({query}) TO {literal(str(path))} ({options})").fetchall()[0][0])


def read_back(paths: Sequence[Path], columns: Sequence[tuple[str, str]]) -> str:
    names = ", ".join(ident(name) for name, _ in columns)
    return f"(SELECT {names} FROM read_parquet([{', '.join(map(file, paths))}], hive_partitioning = false))"


WORDS = ("zstd", "snappy", "gzip", "lz4", "uncompressed")
"""The engine's words for compressions."""

SPEC = Format(
    name="parquet",
    summary="Parquet files with row groups of about 32 MB",
    suffixes=(".parquet",),
    compressions=("zstd", "snappy", "gzip", "lz4", "none"),
    suffix=suffix,
    columns=columns,
    structure=structure,
    scan=scan,
    whole=whole,
    stored=stored,
    write=write,
    read_back=read_back,
    loader="parquet",
)
