"""Scans of shards as SQL: values of rows with the types that a source's recipe sees, texts, and rows as they stand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from recipec.database.sql import column, ident, literal
from recipec.database.values import FAULT
from recipec.inputs import packing, shards
from recipec.ir import paths, shapes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from recipec.ir import model
    from recipec.ir.execution import Shard
    from recipec.ir.shapes import Columns
    from recipec.spec import References


def scan(source: model.Source, shard: Shard, folder: Path, references: Sequence[str], row: str = "__row") -> str:
    """A table expression of values of a shard's rows, with their 0-based numbers and `database.values.FAULT`.

    Values have the same types in all shards of a source; those that the shard lacks are null.

    Args:
        references: of values (see `ir.paths`); each is the column `database.sql.column(reference)`.
    """
    place = shards.path(shard, folder)
    constants = {name: constant(shard, name) for name in references if is_constant(shard, name)}
    wanted = [(name, taken(source, name)) for name in references if name not in constants and name != paths.ROW]
    if not shard.rows:
        return no_rows([(name, taken(source, name)) for name in references], row)
    format_ = shards.format_of(place)
    with shards.reading(place):
        table = format_.scan(packing.readable(place, folder), shard.schema_, wanted, row)
    if len(wanted) == len(references):
        return table
    more = [
        f"TRY_CAST({literal(value)} AS {taken(source, name)}) AS {column(name)}" for name, value in constants.items()
    ]
    if paths.ROW in references:
        more.append(f"{ident(row)} AS {column(paths.ROW)}")
    return f"(SELECT *, {', '.join(more)} FROM {table})"


def whole(path: Path, folder: Path, own: Columns, wanted: Columns, row: str) -> str:
    """A table expression of columns of a file as they stand in it, c0, c1, …, and of the number of each row (`spec.Format`)."""
    format_ = shards.format_of(path)
    readable = packing.readable(path, folder)
    if format_.whole is not None:
        return format_.whole(readable, own, wanted, row)
    references = [(paths.reference([name]), shapes.stated(type_)) for name, type_ in wanted]
    names = "".join(f", {column(reference)} AS c{number}" for number, (reference, _) in enumerate(references))
    return f"(SELECT {ident(row)}{names} FROM {format_.scan(readable, own, references, row)})"


def stored(connection: DuckDBPyConnection, path: Path, folder: Path, own: Columns) -> Columns:
    """The SQL types with which a dataset keeps the columns of a file."""
    format_ = shards.format_of(path)
    if format_.stored is not None:
        return format_.stored(connection, packing.readable(path, folder), own)
    return tuple((name, shapes.taken(shapes.parse(shape))) for name, shape in own)


def texts(source: model.Source, shard: Shard, folder: Path) -> str:
    """A table expression of the texts of a shard's rows: `__row` and `text`, null where a row has no string."""
    return f"(SELECT __row, {column(source.text)} AS text FROM {scan(source, shard, folder, [source.text])})"


def strings(path: Path, folder: Path, columns: Columns, references: Sequence[str]) -> str:
    """A table expression of values of a file's rows as text, each as the column `database.sql.column(reference)`.

    Args:
        folder: as in `packing.readable`.
        columns: those of the file, as `structure` finds them.
    """
    found = {name: shapes.at(columns, paths.parts(name)) or shapes.NULL for name in references}
    wanted = [(name, shapes.taken(shape)) for name, shape in found.items()]
    with shards.reading(path):
        table = shards.format_of(path).scan(packing.readable(path, folder), columns, wanted, "__row")
    listed = (
        f"{column(name)} ->> '$' AS {column(name)}"
        if type_ == "JSON"
        else f"CAST({column(name)} AS VARCHAR) AS {column(name)}"
        for name, type_ in wanted
    )
    return f"(SELECT {', '.join(('__row', *listed))} FROM {table})"


def no_rows(wanted: References, row: str) -> str:
    """A table expression of values of a file without rows."""
    values = "".join(f", CAST(NULL AS {type_}) AS {column(name)}" for name, type_ in wanted)
    return f"(SELECT 0 :: BIGINT AS {ident(row)}{values}, CAST(NULL AS VARCHAR) AS {FAULT} WHERE false)"


def taken(source: model.Source, reference: str) -> shapes.TypeText:
    """The SQL type of a value of a source's rows: the text is text, whatever some rows have in its place."""
    if reference == source.text or reference in (paths.PATH, paths.FILE):
        return shapes.VARCHAR
    if reference == paths.ROW:
        return shapes.BIGINT
    shape = shapes.at(columns_of(source), paths.parts(reference))
    return shapes.taken(shape) if shape is not None else shapes.VARCHAR


def columns_of(source: model.Source) -> Columns:
    """The columns of a source: those of its shards, and its attributes."""
    return (*source.schema_, *(column for one in source.attributes for column in one.schema_))


def is_placed(shard: Shard, reference: str) -> bool:
    """Whether a value depends on where the row is."""
    return reference == paths.ROW or is_constant(shard, reference)


def is_constant(shard: Shard, reference: str) -> bool:
    """Whether a value is the same in all rows of a shard, because its place says it."""
    if reference in (paths.PATH, paths.FILE):
        return True
    return reference in _partitions(shard) and reference not in {name for name, _ in shard.schema_}


def constant(shard: Shard, reference: str) -> str | None:
    if reference == paths.PATH:
        return shard.path
    return Path(shard.path).name if reference == paths.FILE else _partitions(shard)[reference]


@lru_cache(maxsize=65536)
def partition_names(path: str) -> tuple[tuple[str, str | None], ...]:
    """The names and values of the columns that the folders of a path state as `name=value` (Hive's partitions)."""
    found: dict[str, str | None] = {}
    for folder in path.split(os.sep)[:-1]:
        name, equals, value = folder.partition("=")
        if equals and name:
            found[unquote(name)] = None if value == NO_PARTITION else unquote(value)
    return tuple(found.items())


def _partitions(shard: Shard) -> dict[str, str | None]:
    """The values that a shard's path states, by reference."""
    return {paths.reference([name]): value for name, value in partition_names(shard.path)}


NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""The value of a partition without one."""
