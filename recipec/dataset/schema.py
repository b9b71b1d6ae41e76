"""The SQL types of the dataset's columns: those of the shards, or their common type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from recipec.dataset import columns
from recipec.dataset.rows import Column
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import scans
from recipec.inputs import shards as shard_scans
from recipec.ir import logical, shapes
from recipec.ir.execution import Shard

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DECIMAL = "DECIMAL(38,0)"
"""The type of integers that need more than 64 bits: no file format preserves HUGEINT."""


def dataset_schema(
    connection: DuckDBPyConnection, op: logical.Write, shards: Sequence[Shard], folder: Path, *, strict: bool
) -> tuple[Column, ...]:
    """The columns of the dataset in order, the five provenance columns last.

    Args:
        strict: whether all values of a column must have a common type; otherwise those without are JSON.

    Raises:
        Failure: a column has types without a common type.
    """
    found: dict[str, dict[str, Shard]] = {}
    seen: dict[tuple[str, shapes.Columns], shapes.Columns] = {}
    for shard in shards:
        for name, type_ in _types(connection, op, shard, folder, seen):
            found.setdefault(name, {}).setdefault(type_, shard)
    result: list[Column] = []
    failures: list[Diagnostic] = []
    for name in columns.united(op):
        types = found.get(name, {})
        stated = any(shard_scans.format_of(shard_scans.path(shard, folder)).typed for shard in types.values())
        united = _unite(connection, tuple(types)) if stated else _of_shapes(tuple(types), shapes.JSON)
        if united is not None or not strict:
            result.append(Column(name, united or "JSON"))
        else:
            failures.append(_conflict(op, name, found[name]))
    if failures:
        raise Failure(*failures)
    return (*result, *(Column(*pair) for pair in columns.provenance(op).types()))


def _types(
    connection: DuckDBPyConnection,
    op: logical.Write,
    shard: Shard,
    folder: Path,
    seen: dict[tuple[str, shapes.Columns], shapes.Columns],
) -> Iterator[tuple[str, str]]:
    """The columns of the dataset that a shard has, with their SQL types; `seen` has those of shards with the same shapes."""
    path = shard_scans.path(shard, folder)
    format_ = shard_scans.format_of(path)
    key = (format_.name, shard.schema_)
    if key not in seen or any("OTHER" in shape for _, shape in shard.schema_):
        seen[key] = scans.stored(connection, path, folder, shard.schema_)
    types = dict(columns.with_text(op, shard.source, seen[key]))
    for name in columns.columns_in(op, shard):
        if shard.rows:
            yield name, types.get(name, "VARCHAR")


def _unite(connection: DuckDBPyConnection, types: Sequence[str]) -> str | None:
    """The common type of all of `types`, or None if there is none."""
    known = [type_ for type_ in types if type_ != '"NULL"'] or ["VARCHAR"]
    united: str | None = known[0]
    if any('"NULL"' in type_ for type_ in known):
        # Nulls and empty lists have the type of the others, or that of text.
        united = _of_shapes(known, shapes.CLASH)
    elif len(known) > 1:
        branches = " UNION ALL ".join(f"SELECT CAST(NULL AS {type_}) AS value" for type_ in known)
        try:
            united = str(connection.execute(f"DESCRIBE {branches}").fetchall()[0][1])
        except duckdb.Error:
            united = None
        if united is None or any(word in (united, *known) for word in ("BOOLEAN", "JSON")) or _is_loose(united):
            united = _of_shapes(known, shapes.CLASH)
    if united is not None and "UHUGEINT" in united:
        return None
    return united.replace("HUGEINT", DECIMAL) if united is not None else None


def _is_loose(united: str) -> bool:
    """Whether DuckDB may have found a type that is wider than what the values have in common."""
    return "VARCHAR" in united or "STRUCT" in united


def _of_shapes(types: Sequence[str], clash: shapes.Shape) -> str | None:
    """The common type of structs with different fields, of fields of several kinds, and of texts; `clash` for values
    without one."""
    words = str(shapes.united(map(shapes.parse, types), clash)).replace('"NULL"', "VARCHAR").replace("HUGEINT", DECIMAL)
    return None if "CLASH" in words or "OTHER" in words else words


def _conflict(op: logical.Write, name: str, found: dict[str, Shard]) -> Diagnostic:
    places = ", ".join(f"{type_} in `{shard.path}`" for type_, shard in found.items())
    return Diagnostic(
        "R0610",
        f"column `{name}` has types without a common type: {places}",
        span=op.output.origin.span if op.output.origin else None,
        helps=("leave the column out with `columns`, or convert the shards",),
    )
