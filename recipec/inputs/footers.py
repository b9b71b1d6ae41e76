"""Reads the footers of many Parquet files with one query: for small files, one query each is most of the cost."""

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
    """Rows and columns of Parquet files, as `shards.structure` returns them for single files.

    Empty if one of the files cannot be read: that function then reports which, and why.
    """
    if not paths:
        return {}
    by_name = {str(path): path for path in paths}
    try:
        with shared(paths) as connection:
            schemas = _schemas(connection, paths)
            rows = connection.execute(
                f"SELECT file_name, num_rows FROM parquet_file_metadata({_list(paths)})"
            ).fetchall()
    except duckdb.Error:
        return {}
    # Files with the same schema have the same columns, so reading those of one is enough.
    columns = {schema: shards.schema(by_name[names[0]], Path()) for schema, names in schemas.items()}
    of_name = {name: columns[schema] for schema, names in schemas.items() for name in names}
    return {by_name[name]: spec.Structure(of_name[name], int(count)) for name, count in rows if name in of_name}


def alike(paths: Collection[Path]) -> list[list[Path]]:
    """The Parquet files with a single row group, grouped by identical schema.

    Empty if one of the files cannot be read.
    """
    if not paths:
        return []
    by_name = {str(path): path for path in paths}
    query = f"SELECT file_name FROM parquet_file_metadata({_list(paths)}) WHERE num_row_groups = 1"
    try:
        with shared(paths) as connection:
            schemas = _schemas(connection, paths)
            single = {row[0] for row in connection.execute(query).fetchall()}
    except duckdb.Error:
        return []
    groups = ([by_name[name] for name in names if name in single] for names in schemas.values())
    return [group for group in groups if group]


def without_nulls(paths: Collection[Path], column: str) -> frozenset[Path]:
    """The Parquet files whose footers say that a column has no nulls, which avoids reading all texts."""
    if not paths:
        return frozenset()
    try:
        with shared(paths) as connection:
            found = connection.execute(
                f"SELECT file_name FROM parquet_metadata({_list(paths)}) WHERE path_in_schema = $1 "
                "GROUP BY file_name HAVING bool_and(stats_null_count = 0)",
                [column],
            ).fetchall()
    except duckdb.Error:
        return frozenset()
    return frozenset(Path(row[0]) for row in found)


def nulls(path: Path) -> Mapping[str, int]:
    """The nulls of each column of a Parquet file of which the footer counts them all."""
    query = (
        f"SELECT path_in_schema, sum(stats_null_count) FROM parquet_metadata({file(path)}) "
        "GROUP BY path_in_schema HAVING count(*) = count(stats_null_count)"
    )
    try:
        with shared([path]) as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query).fetchall()}
    except duckdb.Error as error:
        raise shards.unreadable(path, error) from None


def _schemas(connection: DuckDBPyConnection, paths: Collection[Path]) -> Mapping[tuple[str, ...], list[str]]:
    """The names of the files with each schema; a schema is the tuple of its elements as text."""
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
