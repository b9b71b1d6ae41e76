"""`output jsonl "out/mix"`: one JSON object per line; times as ISO text, nested values as JSON, null as null.

Shards are uncompressed, gzip or zstd. A line that is not JSON becomes a row of nulls, so that it is counted as
unreadable and rows keep their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database import types
from recipec.database.sql import file, ident, literal
from recipec.spec import Columns, Format, Structure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LONGEST_LINE = 32 * 1024 * 1024
"""The most bytes of a line of a shard. Each reading thread holds twice as much; longer documents belong in Parquet."""

LONGEST_LINE_BACK = 256 * 1024 * 1024
"""The most bytes of a line that can be read back; some documents exceed DuckDB's own limit of 16 MiB."""

SAMPLED_LINES = 20_480
"""The number of lines from which the types of fields are guessed."""

COMPRESSED = {"zstd": ".zst", "gzip": ".gz", "none": ""}

NAMES = (".jsonl", ".ndjson", ".json")


def suffix(compression: str) -> str:
    return f".jsonl{COMPRESSED[compression]}"


def columns(connection: DuckDBPyConnection, path: Path) -> Columns:
    """The columns of a file: the fields of its first lines."""
    options = f"sample_size = {SAMPLED_LINES}, ignore_errors = true, maximum_object_size = {LONGEST_LINE}"
    return types.columns(connection, f"read_ndjson({file(path)}, {options})")


def structure(connection: DuckDBPyConnection, path: Path) -> Structure:
    found = columns(connection, path)
    rows = connection.execute(f"SELECT count(*) FROM {scan(path, (), '__row')}").fetchall()
    return Structure(found, int(rows[0][0]))


def scan(path: Path, columns: Columns, row: str) -> str:
    """A table expression of a file's columns with the given types, null where a value has another type."""
    names = "".join(f", {ident(name)}" for name, _ in columns)
    # A scan needs at least one column; one that no line has is always null.
    typed = [(name, types.SQL_TYPES[type_]) for name, type_ in columns] or [("\ufffd", "VARCHAR")]
    options = f"ignore_errors = true, maximum_object_size = {LONGEST_LINE}"
    table = f"read_ndjson({file(path)}, columns = {_struct(typed)}, {options})"
    # A window without order runs over the lines in file order, in one thread.
    return f"(SELECT row_number() OVER () - 1 AS {ident(row)}{names} FROM {table})"


def write(connection: DuckDBPyConnection, query: str, path: Path, compression: str, row_group: int) -> int:
    word = "uncompressed" if compression == "none" else compression
    copy = f"COPY ({query}) TO {literal(str(path))} (FORMAT json, COMPRESSION {word})"
    return int(connection.execute(copy).fetchall()[0][0])


def read_back(paths: Sequence[Path], columns: Sequence[tuple[str, str]]) -> str:
    files = f"[{', '.join(map(file, paths))}]"
    return f"read_ndjson({files}, columns = {_struct(columns)}, maximum_object_size = {LONGEST_LINE_BACK})"


def _struct(columns: Sequence[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in columns) + "}"


SPEC = Format(
    name="jsonl",
    summary="one JSON object per line",
    suffixes=tuple(name + end for name in NAMES for end in ("", ".zst", ".gz")),
    compressions=tuple(COMPRESSED),
    suffix=suffix,
    columns=columns,
    structure=structure,
    scan=scan,
    write=write,
    read_back=read_back,
    loader="json",
    typed=False,
    longest_line=LONGEST_LINE_BACK,
)
