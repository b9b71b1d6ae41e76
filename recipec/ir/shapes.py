"""The shapes of values in shards: of a column, of what is nested in it, and of several shards together.

A shape is written as DuckDB writes a type, so that plans hold it as text: `STRUCT(source VARCHAR, stars BIGINT)[]`.
Texts from strangers' plans are parsed into closed words and written anew, so that none of them is part of a query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, NewType

from pydantic import AfterValidator

from recipec.ir.expressions import Type
from recipec.ir.paths import Part

TypeText = NewType("TypeText", str)
"""A type as DuckDB writes it. It is made in this module alone, of the words below and quoted names of fields."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of values.

    Attributes:
        word: a scalar type of `SCALARS`, `DECIMAL(p,s)`, or STRUCT, LIST, MAP; `JSON` for values of several kinds;
            `NULL` where all are null; `CLASH` where shards of typed formats disagree; `OTHER` for rare types.
        fields: of a struct by name; of a list one, and of a map two, without names.
    """

    word: str
    fields: tuple[tuple[str, Shape], ...] = ()

    def __str__(self) -> str:
        return _text(self)


VARCHAR, BIGINT = TypeText("VARCHAR"), TypeText("BIGINT")

NULL, JSON, CLASH, OTHER, TEXT = Shape("NULL"), Shape("JSON"), Shape("CLASH"), Shape("OTHER"), Shape("VARCHAR")

SMALL = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
"""Integers that all fit in 64 bits with a sign."""

LARGE = frozenset({"UBIGINT", "HUGEINT", "UHUGEINT"})
FLOATS = frozenset({"FLOAT", "DOUBLE"})
STRINGS = frozenset({"VARCHAR", "BLOB", "UUID"})
TIMES = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"})
SCALARS = SMALL | LARGE | FLOATS | STRINGS | TIMES | {"BOOLEAN", "DATE", "TIME", "INTERVAL"}
WORDS = SCALARS | {"NULL", "JSON", "CLASH", "OTHER"}

_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|[A-Za-z_][A-Za-z0-9_]*|\d+|[(),\[\]])', re.DOTALL)


@lru_cache(maxsize=4096)
def parse(text: str) -> Shape:
    """The shape that a text states.

    Raises:
        ValueError: it states none.
    """
    tokens = _tokens(text)
    shape, end = _shape(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"`{text}` is no type")
    return shape


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"`{text}` is no type")
        tokens.append(match[1])
        at = match.end()
    if not tokens:
        raise ValueError("no type")
    return tokens


def _shape(tokens: Sequence[str], at: int) -> tuple[Shape, int]:
    word, at = tokens[at].upper(), at + 1
    if _at(tokens, at) == "(" and word in ("STRUCT", "UNION", "MAP"):
        fields, at = _fields(tokens, at + 1, named=word != "MAP")
        shape = Shape(word, fields) if word != "UNION" else OTHER
    elif _at(tokens, at) == "(":
        end = tokens.index(")", at)
        digits = [token for token in tokens[at + 1 : end] if token.isdigit()]
        decimal = word == "DECIMAL" and len(digits) == 2
        shape = Shape(f"DECIMAL({digits[0]},{digits[1]})") if decimal else TEXT if word == "ENUM" else OTHER
        at = end + 1
    else:
        while _at(tokens, at).upper() in ("WITH", "TIME", "ZONE"):
            word, at = f"{word} {tokens[at].upper()}", at + 1
        word = "NULL" if word == '"NULL"' else word
        shape = Shape(word) if word in WORDS else OTHER
    while _at(tokens, at) == "[":
        at = tokens.index("]", at) + 1
        shape = Shape("LIST", (("", shape),))
    return shape, at


def _at(tokens: Sequence[str], at: int) -> str:
    return tokens[at] if at < len(tokens) else ""


def _fields(tokens: Sequence[str], at: int, *, named: bool) -> tuple[tuple[tuple[str, Shape], ...], int]:
    fields = []
    while _at(tokens, at) not in (")", ""):
        name = ""
        if named:
            name, at = tokens[at], at + 1
            name = name[1:-1].replace('""', '"') if name.startswith('"') else name
        shape, at = _shape(tokens, at)
        fields.append((name, shape))
        at += _at(tokens, at) == ","
    if _at(tokens, at) != ")":
        raise ValueError("a type is not closed")
    return tuple(fields), at + 1


def _text(shape: Shape) -> str:
    match shape.word:
        case "LIST":
            return f"{shape.fields[0][1]}[]"
        case "MAP":
            return f"MAP({shape.fields[0][1]}, {shape.fields[1][1]})"
        case "STRUCT":
            return "STRUCT(" + ", ".join(f"{_name(name)} {field}" for name, field in shape.fields) + ")"
        case word:
            return word if word != "NULL" else '"NULL"'


def _name(name: str) -> str:
    return '"' + name.replace('"', '""').replace("\0", "\N{REPLACEMENT CHARACTER}") + '"'


def _checked(text: str) -> str:
    return str(parse(text))


ShapeText = Annotated[str, AfterValidator(_checked)]
"""A shape as text in a plan or manifest; whatever stands there, only what can be parsed is kept."""

Columns = tuple[tuple[str, str], ...]
"""The names of columns with their shapes as text, in order."""


def at(columns: Columns, parts: Sequence[Part]) -> Shape | None:
    """The shape of the value to which the parts of a reference lead, or None if there is none."""
    known = dict(columns)
    first = parts[0]
    if not isinstance(first, str) or first not in known:
        return None
    shape: Shape | None = parse(known[first])
    for part in parts[1:]:
        shape = _inside(shape, part) if shape is not None else None
    return shape


def with_text(columns: Columns, parts: Sequence[Part]) -> Columns:
    """Columns in which a value is text whose rows with other kinds of values are of no account."""

    def changed(shape: Shape, rest: Sequence[Part]) -> Shape:
        if not rest:
            return TEXT if shape.word in ("JSON", "BLOB") else shape
        if shape.word != "STRUCT":
            return shape
        fields = tuple((name, changed(inner, rest[1:]) if name == rest[0] else inner) for name, inner in shape.fields)
        return Shape("STRUCT", fields)

    return tuple((name, str(changed(parse(text), parts[1:])) if name == parts[0] else text) for name, text in columns)


def _inside(shape: Shape, part: Part) -> Shape | None:
    if shape in (JSON, NULL):
        return shape
    if shape.word == "LIST":
        return shape.fields[0][1] if isinstance(part, int) else None
    if shape.word == "MAP":
        return shape.fields[1][1] if isinstance(part, str) else None
    return dict(shape.fields).get(part) if isinstance(part, str) else None


def language(shape: Shape) -> Type:
    """The type of the language of a shape's values."""
    word = shape.word
    if word in SMALL or word in LARGE:
        return "integer"
    if word in FLOATS or word.startswith("DECIMAL"):
        return "float"
    if word in STRINGS:
        return "string"
    if word in TIMES:
        return "timestamp"
    known: dict[str, Type] = {"BOOLEAN": "boolean", "DATE": "date", "NULL": "null", "JSON": "json"}
    return known.get(word, "other")


def taken(shape: Shape) -> TypeText:
    """The SQL type with which values of a shape take part in expressions: wide enough for arithmetic, the same in all
    shards; values of several kinds, lists and structs as JSON."""
    word = shape.word
    if word in SMALL:
        return TypeText("BIGINT")
    if word in LARGE:
        return TypeText("HUGEINT")
    if word in FLOATS:
        return TypeText("DOUBLE")
    if word in STRINGS or word == "NULL":
        return VARCHAR
    if word in TIMES:
        return TypeText("TIMESTAMP_NS" if word == "TIMESTAMP_NS" else "TIMESTAMP")
    return TypeText(word if word.startswith("DECIMAL") or word in ("BOOLEAN", "DATE") else "JSON")


def stated(text: str) -> TypeText:
    """A type as it stands in a text of the engine, such as one that a dataset's column has.

    Raises:
        ValueError: it states none.
    """
    parse(text)
    return TypeText(text)


def united(shapes: Iterable[Shape], clash: Shape) -> Shape:
    """The shape that holds values of all of some shapes; `clash` where they have no kind in common."""
    result = NULL
    for shape in shapes:
        result = _pair(result, shape, clash)
    return result


def _pair(one: Shape, two: Shape, clash: Shape) -> Shape:
    if one == two or two == NULL:
        return one
    if one == NULL:
        return two
    if CLASH in (one, two):
        return CLASH
    if JSON in (one, two):
        return JSON
    if one.word == two.word and one.word in ("STRUCT", "LIST", "MAP"):
        return _nested(one, two, clash)
    return _scalar(one.word, two.word) or clash


def _nested(one: Shape, two: Shape, clash: Shape) -> Shape:
    if one.word != "STRUCT":
        pairs = zip(one.fields, two.fields, strict=True)
        return Shape(one.word, tuple(("", _pair(a, b, clash)) for (_, a), (_, b) in pairs))
    fields = dict(one.fields)
    for name, shape in two.fields:
        fields[name] = _pair(fields.get(name, NULL), shape, clash)
    if len({name.lower() for name in fields}) < len(fields):
        # Structs of DuckDB cannot tell such names apart.
        return JSON
    return Shape("STRUCT", tuple(fields.items()))


def _scalar(one: str, two: str) -> Shape | None:
    both = {one, two}
    if both <= SMALL:
        return Shape("BIGINT")
    if both <= SMALL | LARGE:
        return Shape("HUGEINT")
    if both <= FLOATS:
        return Shape("DOUBLE")
    if all(word in SMALL | LARGE | FLOATS or word.startswith("DECIMAL") for word in both):
        return Shape("DOUBLE")
    if both <= STRINGS:
        return TEXT
    if both <= TIMES | {"DATE"}:
        return Shape("TIMESTAMP_NS" if "TIMESTAMP_NS" in both else "TIMESTAMP")
    return None


def all_columns(many: Iterable[Columns], clash: Shape) -> Columns:
    """The columns of several shards, in order of first appearance, each with the shape that holds all its values."""
    found: dict[str, list[str]] = {}
    for columns in many:
        for name, text in columns:
            texts = found.setdefault(name, [])
            if text not in texts:
                texts.append(text)
    return tuple((name, str(united(map(parse, texts), clash))) for name, texts in found.items())
