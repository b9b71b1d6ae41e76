"""Maps DuckDB's types to the types of the language and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipec.ir.expressions import Type

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

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
"""Type of the language -> the DuckDB type that holds all its values."""


def columns(connection: DuckDBPyConnection, relation: str) -> tuple[tuple[str, Type], ...]:
    """The columns of a table expression with their types in the language, in order."""
    rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return tuple((row[0], _type(row[1])) for row in rows)


def _type(name: str) -> Type:
    if name.startswith("DECIMAL"):
        return "float"
    if name.startswith("TIMESTAMP"):
        return "timestamp"
    return TYPES.get(name, "other")
