"""The only translation from a recipe to SQL: quoted names, quoted literals, words of closed sets, translated expressions.

What these functions return is `Sql`, which a text of a recipe or a plan is not: where one of those is demanded, mypy
rejects the other. No other module makes any (tests/architecture/test_sql.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NewType

from recipec.ir import expressions

SEPARATOR = "\x1f"
"""Between the parts of a key that is hashed, and between the reason why a row is unreadable and the value that is."""

SHOWN = "chr(31)"
"""SQL of `SEPARATOR`."""


Sql = NewType("Sql", str)
"""A piece of SQL that holds no text of others but as a quoted name, a quoted literal or a word of a closed set."""


def ident(name: str) -> Sql:
    """A name as a quoted identifier. SQL text cannot contain NUL, so a name with NUL refers to nothing."""
    return Sql('"' + name.replace('"', '""').replace("\0", "\N{REPLACEMENT CHARACTER}") + '"')


def column(name: str) -> Sql:
    """The identifier of a value of a row (a reference, a score) in queries of ours.

    Names that differ only in case are the same to SQL, so that capital letters are counted in the identifier."""
    name = name or "``"  # SQL has no empty names
    capitals = [str(position) for position, letter in enumerate(name) if "A" <= letter <= "Z"]
    return ident(f"{name}#{'.'.join(capitals)}" if capitals else name)


def literal(value: str | int | float | bool | None) -> Sql:
    """A value as an SQL literal."""
    if value is None:
        return Sql("NULL")
    if isinstance(value, bool):
        return Sql("true" if value else "false")
    if isinstance(value, int):
        return Sql(str(value) if value >= 0 else f"({value})")
    if isinstance(value, float):
        return Sql(f"({value!r} :: DOUBLE)" if math.isfinite(value) else f"('{value!r}' :: DOUBLE)")
    if "\0" in value:
        # DuckDB ends a query at NUL; chr(0) is the same character.
        return Sql("(" + " || chr(0) || ".join(literal(part) for part in value.split("\0")) + ")")
    return Sql("'" + value.replace("'", "''") + "'")


def word(value: str, words: Collection[str]) -> Sql:
    """A word of a closed set, which stands in SQL as it is.

    Raises:
        ValueError: it is none of them.
    """
    if value not in words or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError(f"`{value:.40}` is none of {', '.join(sorted(words))}")
    return Sql(value)


def file(path: Path) -> Sql:
    """A path as a literal that DuckDB's readers never interpret as a glob, whatever characters it contains."""
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


def expression(
    value: expressions.Expression, of: Callable[[str], Sql] = column, score: Callable[[str], Sql] = column
) -> Sql:
    """An expression as SQL. `of` and `score` map the name of a column or score to its SQL."""
    match value:
        case expressions.Column():
            return of(value.name)
        case expressions.Score():
            return score(value.name)
        case expressions.Constant():
            return literal(value.value)
        case expressions.Apply():
            operands = [expression(operand, of, score) for operand in value.operands]
            sql = Sql(TEMPLATES[value.function](operands))
            is_float = value.function in "+-*" and value.type == "float"
            return Sql(finite(f"CAST({sql} AS DOUBLE)")) if is_float else sql


def _infix(operator: str) -> Callable[[list[Sql]], str]:
    return lambda operands: "(" + f" {operator} ".join(operands) + ")"


def _call(function: str) -> Callable[[list[Sql]], str]:
    return lambda operands: f"{function}({', '.join(operands)})"


def _arithmetic(operator: str) -> Callable[[list[Sql]], str]:
    return lambda operands: f"TRY({operands[0]} {operator} {operands[1]})"


def finite(sql: str) -> str:
    """SQL of a number of type DOUBLE, null if it is infinite or none at all."""
    for word in ("inf", "-inf", "nan"):
        sql = f"nullif({sql}, '{word}' :: DOUBLE)"
    return sql


def _is_whole(json: str) -> str:
    return f"json_type({json}) IN ('UBIGINT', 'BIGINT', 'HUGEINT')"


def _is_number(json: str) -> str:
    return f"json_type({json}) IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')"


def _double(json: str) -> str:
    return finite(f"TRY_CAST({json} ->> '$' AS DOUBLE)")


def _cast(type_: str) -> Callable[[list[Sql]], str]:
    # A value that cannot be cast is null, so comparisons with it are not true: one bad row does not stop a run.
    return lambda operands: f"TRY_CAST({operands[0]} AS {type_})"


TEMPLATES: dict[str, Callable[[list[Sql]], str]] = {
    "or": _infix("OR"),
    "and": _infix("AND"),
    "not": lambda o: f"(NOT {o[0]})",
    "==": _infix("="),
    "!=": _infix("<>"),
    "<": _infix("<"),
    "<=": _infix("<="),
    ">": _infix(">"),
    ">=": _infix(">="),
    # What overflows is null, and makes the row unreadable (see `fault`).
    "+": _arithmetic("+"),
    "-": _arithmetic("-"),
    "*": _arithmetic("*"),
    # Division by zero is null, not infinity.
    "/": lambda o: finite(f"{o[0]} / nullif(CAST({o[1]} AS DOUBLE), 0)"),
    "%": lambda o: f"({o[0]} % nullif({o[1]}, 0))",
    "neg": lambda o: f"TRY(- {o[0]})",
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
    "abs": lambda o: f"TRY(abs({o[0]}))",
    "round": lambda o: f"round(CAST({o[0]} AS DOUBLE))",
    "least": _call("least"),
    "greatest": _call("greatest"),
    "year": lambda o: f"year({o[0]})",
    "if": lambda o: f"(CASE WHEN {o[0]} THEN {o[1]} END)",
    "fingerprint": lambda o: f"md5(CAST({o[0]} AS VARCHAR))",
    "int": _cast("BIGINT"),
    "float": lambda o: finite(f"TRY_CAST({o[0]} AS DOUBLE)"),
    "string": _cast("VARCHAR"),
    "bool": _cast("BOOLEAN"),
    "date": _cast("DATE"),
    "timestamp": _cast("TIMESTAMP"),
    # A field of several kinds, where its use needs one of them.
    "as boolean": lambda o: f"(CASE WHEN json_type({o[0]}) = 'BOOLEAN' THEN CAST({o[0]} ->> '$' AS BOOLEAN) END)",
    "as integer": lambda o: f"(CASE WHEN {_is_whole(o[0])} THEN TRY_CAST({o[0]} ->> '$' AS HUGEINT) END)",
    "as float": lambda o: f"(CASE WHEN {_is_number(o[0])} THEN {_double(o[0])} END)",
    "as string": lambda o: f"(CASE WHEN json_type({o[0]}) = 'VARCHAR' THEN {o[0]} ->> '$' END)",
    "as text": lambda o: f"(CASE WHEN json_type({o[0]}) NOT IN ('OBJECT', 'ARRAY') THEN {o[0]} ->> '$' END)",
}
"""Word of the language -> its SQL. `semantics.functions` has the types of the same words."""

PARTIAL = frozenset({"+", "-", "*", "/", "%", "neg", "abs", *(word for word in TEMPLATES if word.startswith("as "))})
"""Functions that have no value for some operands, which makes a row unreadable."""


def faults(value: expressions.Expression, of: Callable[[str], Sql] = column) -> Iterator[tuple[str, str]]:
    """SQL of the tests whether a part of an expression has no value though its operands have, each with SQL of why."""
    if not isinstance(value, expressions.Apply):
        return
    for operand in value.operands:
        yield from faults(operand, of)
    if value.function in PARTIAL and not expressions.scores_of(value):
        operands = [expression(operand, of) for operand in value.operands]
        present = " AND ".join(f"{operand} IS NOT NULL" for operand in operands)
        yield f"{present} AND {expression(value, of)} IS NULL", _why(value, operands)


def _why(value: expressions.Apply, operands: list[Sql]) -> str:
    described = expressions.describe(value)
    if value.function in ("/", "%"):
        divided = literal(f"`{described}` divides by zero")
        return f"CASE WHEN {operands[1]} = 0 THEN {divided} ELSE {literal(f'`{described}` overflows')} END"
    if not value.function.startswith("as "):
        return literal(f"`{described}` overflows")
    name = expressions.describe(value.operands[0])
    shown = f"left({operands[0]} :: VARCHAR, {LONGEST})"
    return f"{literal(f'`{name}` is not {WANTED[value.function]}')} || {SHOWN} || {shown}"


WANTED = {
    "as boolean": "true or false",
    "as integer": "an integer",
    "as float": "a number",
    "as string": "a string",
    "as text": "a string or a number",
}

LONGEST = 40
"""The most characters of a value that a reason shows."""
