"""What the footers of many Parquet files say, by one query for all of them: for small files a query each is the most of
what reading them costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from recipec import spec
from recipec.database.connection import shared
from recipec.database.sql import file
from recipec.inputs import shards

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def read(paths: Collection[Path]) -> Mapping[Path, spec.Structure]:
    """Rows and columns of Parquet files, as `shards.structure` tells them one by one.

    None are there when one of the files cannot be read: that function then says which, and why.
    """
    if not paths:
        return {}
    by_name = {str(path): path for path in paths}
    try:
        with shared() as connection:
            schemas = _schemas(connection, paths)
            rows = connection.execute(
                f"SELECT file_name, num_rows FROM parquet_file_metadata({_list(paths)})"
            ).fetchall()
    except duckdb.Error:
        return {}
    # Files of one schema have the same columns, so it is enough to ask for those of one.
    columns = {schema: shards.schema(by_name[names[0]]) for schema, names in schemas.items()}
    of_name = {name: columns[schema] for schema, names in schemas.items() for name in names}
    return {by_name[name]: spec.Structure(of_name[name], int(count)) for name, count in rows if name in of_name}


def alike(paths: Collection[Path]) -> list[list[Path]]:
    """The Parquet files among some that have one row group, in groups of exactly the same schema.

    There are none when one of them cannot be read.
    """
    if not paths:
        return []
    by_name = {str(path): path for path in paths}
    query = f"SELECT file_name FROM parquet_file_metadata({_list(paths)}) WHERE num_row_groups = 1"
    try:
        with shared() as connection:
            schemas = _schemas(connection, paths)
            single = {row[0] for row in connection.execute(query).fetchall()}
    except duckdb.Error:
        return []
    groups = ([by_name[name] for name in names if name in single] for names in schemas.values())
    return [group for group in groups if group]


def without_nulls(paths: Collection[Path], column: str) -> frozenset[Path]:
    """The Parquet files whose footers say that a column has no nulls, which saves reading all texts."""
    if not paths:
        return frozenset()
    try:
        with shared() as connection:
            found = connection.execute(
                f"SELECT file_name FROM parquet_metadata({_list(paths)}) WHERE path_in_schema = $1 "
                "GROUP BY file_name HAVING bool_and(stats_null_count = 0)",
                [column],
            ).fetchall()
    except duckdb.Error:
        return frozenset()
    return frozenset(Path(row[0]) for row in found)


def _schemas(connection: DuckDBPyConnection, paths: Collection[Path]) -> Mapping[tuple[str, ...], list[str]]:
    """The names of the files of each schema, which is written as the words of its elements."""
    elements: dict[str, list[str]] = defaultdict(list)
    found = connection.execute(
        f"SELECT file_name, CAST(element AS VARCHAR) FROM (SELECT file_name, struct_pack({_ELEMENT}) AS element "
        f"FROM parquet_schema({_list(paths)}))"
    )
    for name, element in found.fetchall():
        elements[name].append(element)
    schemas: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, words in elements.items():
        schemas[tuple(words)].append(name)
    return schemas


_ELEMENT = ", ".join(
    f'"{name}" := {name}'
    for name in (
        "name",
        "type",
        "type_length",
        "repetition_type",
        "num_children",
        "converted_type",
        "scale",
        "precision",
        "field_id",
        "logical_type",
    )
)


def _list(paths: Collection[Path]) -> str:
    return f"[{', '.join(map(file, paths))}]"
