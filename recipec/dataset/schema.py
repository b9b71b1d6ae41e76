"""The SQL types of the dataset's columns: those of the shards, or their common type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from recipec.database.sql import ident
from recipec.dataset import columns
from recipec.dataset.texts import Column
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import shards as shard_scans
from recipec.ir import logical
from recipec.ir.execution import Shard

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

UNWRITABLE = frozenset({"HUGEINT", "UHUGEINT"})
"""Types that no file format preserves: Parquet would convert them to doubles."""


def dataset_schema(
    connection: DuckDBPyConnection, op: logical.Write, shards: Sequence[Shard], folder: Path
) -> tuple[Column, ...]:
    """The columns of the dataset in order, the five provenance columns last.

    Raises:
        Failure: a column has types without a common type.
    """
    found: dict[str, dict[str, Shard]] = {}
    for shard in shards:
        for name, type_ in _types(connection, op, shard, folder):
            found.setdefault(name.lower(), {}).setdefault(type_, shard)
    result, failures = [], []
    for name in columns.united(op):
        try:
            result.append(Column(name, _unite(connection, tuple(found.get(name.lower(), {"VARCHAR": None})))))
        except duckdb.Error:
            failures.append(_conflict(op, name, found[name.lower()]))
    if failures:
        raise Failure(*failures)
    return (*result, *(Column(*pair) for pair in columns.provenance(op).types()))


def _types(connection: DuckDBPyConnection, op: logical.Write, shard: Shard, folder: Path) -> Iterable[tuple[str, str]]:
    names = columns.columns_in(op, shard)
    if not names:
        return ()
    scan = shard_scans.scan(shard, folder, names, row="__row")
    listed = ", ".join(ident(name) for name in names)
    rows = connection.execute(f"DESCRIBE SELECT {listed} FROM {scan}").fetchall()
    return tuple((row[0], row[1]) for row in rows)


def _unite(connection: DuckDBPyConnection, types: Sequence[str]) -> str:
    """The common type of all of `types`.

    Raises:
        duckdb.Error: there is none.
    """
    if len(types) == 1:
        return types[0] if types[0] != '"NULL"' else "VARCHAR"
    branches = " UNION ALL ".join(f"SELECT CAST(NULL AS {type_}) AS value" for type_ in types if type_ != '"NULL"')
    united = str(connection.execute(f"DESCRIBE {branches}").fetchall()[0][1])
    if united in UNWRITABLE or ("VARCHAR" in united and not all("VARCHAR" in type_ for type_ in types)):
        raise duckdb.ConversionException("text and something else")
    return united


def _conflict(op: logical.Write, name: str, found: dict[str, Shard]) -> Diagnostic:
    places = ", ".join(f"{type_} in `{shard.path}`" for type_, shard in found.items())
    return Diagnostic(
        "R0610",
        f"column `{name}` has types without a common type: {places}",
        span=op.output.origin.span if op.output.origin else None,
        helps=("leave the column out with `columns`, or convert the shards",),
    )
