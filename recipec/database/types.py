"""The columns of a table expression, with their shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recipec.ir import shapes
from recipec.ir.shapes import Columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def columns(connection: DuckDBPyConnection, relation: str, names: Sequence[str] | None = None) -> Columns:
    """The columns of a table expression in order, with their shapes.

    Args:
        names: those of the columns, where the expression may have changed them.
    """
    rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    found = names if names is not None else [row[0] for row in rows]
    return tuple((name, str(shapes.parse(row[1]))) for name, row in zip(found, rows, strict=True))
