"""The only translation from a recipe to SQL: quoted names, quoted literals, translated expressions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from recipec.ir import expressions

SEPARATOR = "\x1f"
"""Between the parts of a key that is hashed."""


def ident(name: str) -> str:
    """A name as a quoted identifier. SQL text cannot contain NUL, so a name with NUL refers to nothing."""
    return '"' + name.replace('"', '""').replace("\0", "\N{REPLACEMENT CHARACTER}") + '"'


def literal(value: str | int | float | bool | None) -> str:
    """A value as an SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value >= 0 else f"({value})"
    if isinstance(value, float):
        return f"({value!r} :: DOUBLE)" if math.isfinite(value) else f"('{value!r}' :: DOUBLE)"
    if "\0" in value:
        # DuckDB ends a query at NUL; chr(0) is the same character.
        return "(" + " || chr(0) || ".join(literal(part) for part in value.split("\0")) + ")"
    return "'" + value.replace("'", "''") + "'"


def file(path: Path) -> str:
    """A path as a literal that DuckDB's readers never interpret as a glob, whatever characters it contains."""
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


def expression(
    value: expressions.Expression, column: Callable[[str], str] = ident, score: Callable[[str], str] = ident
) -> str:
    """An expression as SQL. `column` and `score` map the name of a column or score to its SQL."""
    match value:
        case expressions.Column():
            return column(value.name)
        case expressions.Score():
            return score(value.name)
        case expressions.Constant():
            return literal(value.value)
        case expressions.Apply():
            operands = [expression(operand, column, score) for operand in value.operands]
            return TEMPLATES[value.function](operands)


def _infix(operator: str) -> Callable[[list[str]], str]:
    return lambda operands: "(" + f" {operator} ".join(operands) + ")"


def _call(function: str) -> Callable[[list[str]], str]:
    return lambda operands: f"{function}({', '.join(operands)})"


def _cast(type_: str) -> Callable[[list[str]], str]:
    # A value that cannot be cast is null, so comparisons with it are not true: one bad row does not stop a run.
    return lambda operands: f"TRY_CAST({operands[0]} AS {type_})"


TEMPLATES: dict[str, Callable[[list[str]], str]] = {
    "or": _infix("OR"),
    "and": _infix("AND"),
    "not": lambda o: f"(NOT {o[0]})",
    "==": _infix("="),
    "!=": _infix("<>"),
    "<": _infix("<"),
    "<=": _infix("<="),
    ">": _infix(">"),
    ">=": _infix(">="),
    "+": _infix("+"),
    "-": _infix("-"),
    "*": _infix("*"),
    # Division by zero is null, not infinity.
    "/": lambda o: f"({o[0]} / nullif(CAST({o[1]} AS DOUBLE), 0))",
    "%": lambda o: f"({o[0]} % nullif({o[1]}, 0))",
    "neg": lambda o: f"(- {o[0]})",
    "concat": _infix("||"),
    "in": lambda o: f"({o[0]} IN ({', '.join(o[1:])}))",
    "is_null": lambda o: f"({o[0]} IS NULL)",
    "matches": _call("regexp_matches"),
    "length": lambda o: f"length({o[0]})",
    "lower": _call("lower"),
    "upper": _call("upper"),
    "trim": lambda o: f"trim({o[0]}, ' ' || chr(9) || chr(10) || chr(13))",
    "starts_with": _call("starts_with"),
    "ends_with": _call("ends_with"),
    "contains": _call("contains"),
    "coalesce": _call("coalesce"),
    "abs": _call("abs"),
    "round": lambda o: f"round(CAST({o[0]} AS DOUBLE))",
    "least": _call("least"),
    "greatest": _call("greatest"),
    "year": lambda o: f"year({o[0]})",
    "if": lambda o: f"(CASE WHEN {o[0]} THEN {o[1]} END)",
    "fingerprint": lambda o: f"md5(CAST({o[0]} AS VARCHAR))",
    "int": _cast("BIGINT"),
    "float": _cast("DOUBLE"),
    "string": _cast("VARCHAR"),
    "bool": _cast("BOOLEAN"),
    "date": _cast("DATE"),
    "timestamp": _cast("TIMESTAMP"),
}
"""Word of the language -> its SQL. `semantics.functions` has the types of the same words."""
