"""SQL of values of rows in files that state their types: nested ones, and the types with which they take part.

A recipe's expressions see the same type in every shard (`ir.shapes.taken`), whatever a file stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipec.database.sql import Sql, column, finite, ident, literal
from recipec.ir import paths, shapes
from recipec.ir.paths import Part
from recipec.ir.shapes import Columns, Shape, TypeText

INEXACT = "recipec cannot keep the integers of "
"""The beginning of an error that a query raises itself, followed by the name of a column."""

FAULT = "__fault"
"""The column of a scan that says why a row's values cannot be read, or is null."""


def selected(own: Columns, wanted: Sequence[tuple[str, TypeText]], names: dict[str, Sql] | None = None) -> str:
    """The select list, each item preceded by a comma, of wanted values and of `FAULT`.

    Args:
        own: the columns of the file; `wanted`: references, each with the SQL type that the value shall have.
        names: SQL of columns by name, where it is not their name.
    """
    found = {reference: _found(own, reference, names or {}) for reference, _ in wanted}
    values = [f"{_value(*found[reference], type_)} AS {column(reference)}" for reference, type_ in wanted]
    tests = "".join(
        f" WHEN {test} THEN {literal(f'`{reference}` is not UTF-8')}"
        for reference, type_ in wanted
        for test in _tests(*found[reference], type_)
    )
    fault = f"CASE{tests} END" if tests else "CAST(NULL AS VARCHAR)"
    return "".join(f", {value}" for value in (*values, f"{fault} AS {FAULT}"))


WIDE = frozenset({"BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"})
"""The shapes of integers that a double may not hold."""


def exact_double(name: str, sql: str) -> str:
    """SQL of an integer as a double, where other shards have fractions in a column; an error if it would change."""
    exact = f"TRY_CAST(CAST({sql} AS DOUBLE) AS HUGEINT) = {sql} OR {sql} IS NULL"
    return f"(CASE WHEN {exact} THEN CAST({sql} AS DOUBLE) ELSE error({literal(INEXACT + name)}) END)"


def _found(own: Columns, reference: str, names: dict[str, Sql]) -> tuple[str, Shape | None]:
    """SQL of a value as the file stores it, and its shape; None if the file has none."""
    first, *rest = paths.parts(reference)
    shape = shapes.at(own, [first])
    sql: str = names.get(str(first), ident(str(first)))
    for part in rest:
        sql, shape = _inside(sql, shape, part)
    return sql, shape


def _inside(sql: str, shape: Shape | None, part: Part) -> tuple[str, Shape | None]:
    if shape is None or shape == shapes.NULL:
        return sql, None
    fields = dict(shape.fields)
    if shape.word == "LIST" and isinstance(part, int):
        return f"list_extract({sql}, {part})", fields[""]
    if shape.word == "MAP" and isinstance(part, str):
        return f"map_extract_value({sql}, {literal(part)})", shape.fields[1][1]
    if shape.word == "STRUCT" and isinstance(part, str):
        return f"struct_extract({sql}, {literal(part)})", fields.get(part)
    return sql, None


def _value(sql: str, shape: Shape | None, type_: TypeText) -> str:
    if shape is None or shape == shapes.NULL:
        return f"CAST(NULL AS {type_})"
    if shape.word in shapes.FLOATS and type_ in ("DOUBLE", "VARCHAR"):
        # Neither NaN nor infinity is a value.
        value = finite(f"CAST({sql} AS DOUBLE)")
        return value if type_ == "DOUBLE" else f"CAST({value} AS {type_})"
    if shape.word == type_:
        return sql
    if shape.word == "BLOB" and type_ == "VARCHAR":
        return f"TRY(decode({sql}))"
    if type_ == "JSON":
        return f"(CASE WHEN {sql} IS NOT NULL THEN to_json({sql}) END)"
    return f"TRY_CAST({sql} AS {type_})"


def _tests(sql: str, shape: Shape | None, type_: TypeText) -> Iterator[str]:
    if shape is not None and shape.word == "BLOB" and type_ == "VARCHAR":
        yield f"{sql} IS NOT NULL AND TRY(decode({sql})) IS NULL"
