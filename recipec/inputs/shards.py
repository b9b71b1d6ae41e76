"""Input shards: which files a glob means, what columns they have, and how to scan one with its row numbers.

Parquet, and JSON lines plain, gzip or zstd. A line that is no JSON is a row of nulls, so that it is counted and found
unreadable, and rows keep their numbers.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

import duckdb

from recipec.database.connection import shared
from recipec.database.sql import ident, literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir.execution import Shard
from recipec.ir.expressions import Type

JSON_LINES = re.compile(r".*\.(jsonl|ndjson|json)(\.gz|\.zst)?", re.IGNORECASE | re.DOTALL)

LONGEST_LINE = 32 * 1024 * 1024
"""Bytes of the longest JSON line. Each thread that reads holds twice as much; a longer document belongs into Parquet."""

SAMPLED_LINES = 20_480
"""JSON lines that are looked at for the types of their fields."""

TYPES: dict[str, Type] = {
    "BOOLEAN": "boolean",
    **dict.fromkeys(
        (
            "TINYINT",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "UTINYINT",
            "USMALLINT",
            "UINTEGER",
            "UBIGINT",
            "HUGEINT",
            "UHUGEINT",
        ),
        "integer",
    ),
    "FLOAT": "float",
    "DOUBLE": "float",
    "VARCHAR": "string",
    "UUID": "string",
    "DATE": "date",
}

SQL_TYPES: dict[Type, str] = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "float": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "other": "JSON",
    "null": "VARCHAR",
}


def find(globs: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """The files that globs mean, relative to a folder: each once, sorted by path, no hidden ones."""
    return tuple(Path(name) for name in _names(globs, folder) if os.path.isfile(name))


def first(globs: Sequence[str], folder: Path) -> Path | None:
    """The first of the files that globs mean, None where there is none."""
    return next((Path(name) for name in _names(globs, folder) if os.path.isfile(name)), None)


def _names(globs: Sequence[str], folder: Path) -> list[str]:
    """What globs match, in the order of paths, as text: to make and compare 10 000 paths takes longer than to find them."""
    found: set[str] = set()
    for pattern in globs:
        start = Path(pattern)
        root = Path(start.anchor) if start.is_absolute() else folder
        relative = str(start.relative_to(start.anchor)) if start.is_absolute() else pattern
        heads: dict[str, str] = {}
        for name in glob.iglob(relative, root_dir=root, recursive=True):
            head, tail = os.path.split(name)
            if head not in heads:
                heads[head] = str(root / head / "x")[:-1]
            found.add(heads[head] + tail)
    return sorted(found, key=lambda name: name.split(os.sep))


def path(shard: Shard, folder: Path) -> Path:
    """Where a shard is; its own path is relative to the recipe's folder if it is inside it."""
    return folder / shard.path


def is_json(path: Path) -> bool:
    return JSON_LINES.fullmatch(path.name) is not None


def schema(path: Path) -> tuple[tuple[str, Type], ...]:
    """The columns of a file with their types in the language.

    Raises:
        Failure: it cannot be read, is truncated, or is of no known format.
    """
    if is_json(path):
        table = f"read_ndjson({_path(path)}, sample_size = {SAMPLED_LINES}, ignore_errors = true, {_LIMIT})"
    elif path.suffix.lower() == ".parquet":
        table = f"read_parquet({_path(path)}, hive_partitioning = false)"
    else:
        helps = ("shards are .parquet or .jsonl files, the latter also .gz or .zst",)
        raise Failure(Diagnostic("R0302", f"`{path.name}` has no known format", place=str(path), helps=helps))
    try:
        with shared() as connection:
            rows = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()
    except duckdb.Error as error:
        raise unreadable(path, error) from None
    return tuple((row[0], _type(row[1])) for row in rows)


def rows(path: Path) -> int:
    """How many rows a file has: from its footer, or by counting lines."""
    if is_json(path):
        query = f"SELECT count(*) FROM {_json_scan(path, (), '__row')}"
    else:
        query = f"SELECT CAST(sum(num_rows) AS BIGINT) FROM parquet_file_metadata({_path(path)})"
    try:
        with shared() as connection:
            found = connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise unreadable(path, error) from None
    return int(found[0][0] or 0)


def unreadable(path: Path, error: Exception) -> Failure:
    """The failure for a file that DuckDB could not read."""
    words = str(error).splitlines()[0].partition(": ")[2] or str(error)
    helps = ("replace the shard, or take it out of the glob",)
    return Failure(Diagnostic("R0303", f"the shard cannot be read: {words}", place=str(path), helps=helps))


def scan(shard: Shard, folder: Path, columns: Sequence[str], row: str = "__row") -> str:
    """A table expression of a shard with some of its columns and the 0-based number of each row.

    Columns of JSON lines have the types of `shard.schema_`, null where a value is of another."""
    place = path(shard, folder)
    if not is_json(place):
        names = "".join(f", {ident(name)}" for name in columns)
        table = f"read_parquet({_path(place)}, hive_partitioning = false, file_row_number = true)"
        return f"(SELECT file_row_number AS {ident(row)}{names} FROM {table})"
    types = dict(shard.schema_)
    return _json_scan(place, [(name, SQL_TYPES[types.get(name, "null")]) for name in columns], row)


def _json_scan(path: Path, columns: Sequence[tuple[str, str]], row: str) -> str:
    names = "".join(f", {ident(name)}" for name, _ in columns)
    # A scan needs a column; one that no line has is null everywhere.
    typed = columns or (("\ufffd", "VARCHAR"),)
    types = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in typed)
    table = f"read_ndjson({_path(path)}, columns = {{{types}}}, ignore_errors = true, {_LIMIT})"
    # A window without order runs over the lines as they are in the file, in one thread.
    return f"(SELECT row_number() OVER () - 1 AS {ident(row)}{names} FROM {table})"


_LIMIT = f"maximum_object_size = {LONGEST_LINE}"


def _path(path: Path) -> str:
    """A path as an SQL literal that DuckDB does not take for a glob."""
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


def _type(name: str) -> Type:
    if name.startswith("DECIMAL"):
        return "float"
    if name.startswith("TIMESTAMP"):
        return "timestamp"
    return TYPES.get(name, "other")
