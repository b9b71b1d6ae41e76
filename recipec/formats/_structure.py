"""The structure of JSON lines: the kinds of values of every field in all lines, and the shapes that hold them.

DuckDB finds the structure of each line; lines of the same structure are counted there, so that few reach Python.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipec.database.sql import literal
from recipec.ir import shapes
from recipec.ir.paths import Part, reference
from recipec.ir.shapes import Columns, Shape
from recipec.spec import Misread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 4096
"""Structures that are in memory at once."""

MOST_FIELDS = 1000
"""An object with more different keys is a map rather than a struct: it is kept as JSON."""

MOST_COLUMNS = 10_000
"""A file whose lines have more different fields is no table: each field costs time in every query of the file."""

DEEPEST = 100
"""The most levels of nesting of a line."""

DEEPEST_SHAPE = 16
"""What is nested deeper is kept as JSON."""

MOST_KINDS = 2000
"""The most fields of which kinds are counted."""

# Its literal beginning is found faster by far than any other pattern: it is looked for in every line.
LONG = r'":\s*-?[0-9]{16}'
"""Where a field may be a whole number that a double does not hold."""

LONG_ELEMENT = r"[\[,]\s*-?[0-9]{16}"
"""Where an element of a list may be one."""

NUMBERS = frozenset({"UBIGINT", "BIGINT", "DOUBLE"})

KINDS = {
    "NULL": "null",
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "UBIGINT": "integer",
    "BIGINT": "integer",
    "DOUBLE": "float",
    "STRUCT": "object",
    "LIST": "list",
    "JSON": "mixed",
}
"""DuckDB's words for the structure of a value -> the kind of the value."""


@dataclass(slots=True)
class Node:
    """The values in one place of all lines.

    Attributes:
        words: how many lines have each kind of value there, by DuckDB's word.
    """

    words: Counter[str] = field(default_factory=Counter)
    fields: dict[str, Node] = field(default_factory=dict)
    element: Node | None = None
    inexact: bool = False  # whether a double would change one of the numbers
    beyond: bool = False  # whether an integer needs all of 64 bits

    def add(self, structure: Any, lines: int) -> None:
        """Adds a value's structure, as `json_structure` gives it, which some lines have."""
        if isinstance(structure, dict):
            self.words["STRUCT"] += lines
            for name, inner in structure.items():
                self.fields.setdefault(name, Node()).add(inner, lines)
        elif isinstance(structure, list):
            self.words["LIST"] += lines
            self.element = self.element or Node()
            for inner in structure:
                self.element.add(inner, lines)
        else:
            self.words[structure] += lines

    def shape(self, depth: int = 0) -> Shape:
        """The shape that holds all values without changing one."""
        words = set(self.words) - {"NULL"}
        if words <= {"UBIGINT", "BIGINT"} and words:
            return self._integer()
        if words <= {"UBIGINT", "BIGINT", "DOUBLE"} and words:
            return shapes.JSON if self.inexact else Shape("DOUBLE")
        if len(words) != 1:
            return shapes.JSON if words else shapes.NULL
        word = words.pop()
        if word in ("STRUCT", "LIST"):
            return self._nested(word, depth)
        return Shape(word)

    def _integer(self) -> Shape:
        if not self.beyond:
            return Shape("BIGINT")
        return Shape("UBIGINT") if "BIGINT" not in self.words else shapes.JSON

    def _nested(self, word: str, depth: int) -> Shape:
        if depth >= DEEPEST_SHAPE:
            return shapes.JSON
        if word == "LIST":
            assert self.element is not None
            return Shape("LIST", (("", self.element.shape(depth + 1)),))
        lower = {name.lower() for name in self.fields}
        if not self.fields or "" in lower or len(lower) < len(self.fields) or len(lower) > MOST_FIELDS:
            return shapes.JSON
        return Shape("STRUCT", tuple((name, node.shape(depth + 1)) for name, node in self.fields.items()))

    def nodes(self, parts: tuple[Part, ...] = ()) -> Iterator[tuple[tuple[Part, ...], Node]]:
        """All nodes with the parts of their references; 0 stands for any element of a list."""
        yield parts, self
        for name, node in self.fields.items():
            yield from node.nodes((*parts, name))
        if self.element is not None:
            yield from self.element.nodes((*parts, 0))


@dataclass(frozen=True, slots=True)
class Found:
    """The structure of a file: of its objects, the number of lines, and of those among them that are unreadable."""

    root: Node
    lines: int
    unreadable: int

    def columns(self) -> Columns:
        return tuple((name, str(node.shape(1))) for name, node in self.root.fields.items())

    def kinds(self) -> Mapping[str, Mapping[str, int]]:
        """By reference, how many lines have a value of each kind."""
        result: dict[str, dict[str, int]] = {}
        for parts, node in self.root.nodes():
            if parts and len(result) < MOST_KINDS:
                counted: Counter[str] = Counter()
                for word, lines in node.words.items():
                    counted[KINDS.get(word, "mixed")] += lines
                result[_shown(parts)] = dict(counted)
        return result


def _shown(parts: Sequence[Part]) -> str:
    """A reference in which `[]` stands for any element of a list."""
    return reference(parts).replace("[0]", "[]")


def find(connection: DuckDBPyConnection, lines: str) -> Found:
    """The structure of lines.

    Args:
        lines: a table expression of a column `json`, null where a line is none.
    """
    root, total, unreadable, long = Node(), 0, 0, 0
    relation = connection.execute(
        f"SELECT json_structure(json), regexp_matches(json, {literal(LONG)}), count(*) FROM {lines} GROUP BY ALL"
    )
    while batch := relation.fetchmany(BATCH):
        for text, has_long, count in batch:
            structure = readable(text)
            total += count
            if structure is None:
                unreadable += count
            else:
                root.add(structure, count)
                long += count if has_long else 0
        if len(root.fields) > MOST_COLUMNS:
            raise Misread(f"its lines have more than {MOST_COLUMNS:,} different fields")
    numbers = {parts: node for parts, node in root.nodes() if parts and node.words.keys() & NUMBERS}
    suspects = [LONG] if long else []
    suspects += [LONG_ELEMENT] if any(0 in parts for parts in numbers) else []
    if numbers and suspects:
        where = " OR ".join(f"regexp_matches(json, {literal(pattern)})" for pattern in suspects)
        _measure(connection, f"(SELECT json FROM {lines} WHERE {where})", numbers)
    return Found(root, total, unreadable)


def readable(text: str | None) -> dict[str, Any] | None:
    """The structure of a line from its text; None if the line is no object, nested too deep, or has a key with NUL."""
    if text is None or not text.startswith("{") or depth(text) > DEEPEST:
        return None
    found = json.loads(text)
    return found if isinstance(found, dict) and ("\\u0000" not in text or not _has_nul(found)) else None


def depth(text: str) -> int:
    """The levels of nesting of a structure; at most as many as it has brackets, which are counted first."""
    if text.count("{") + text.count("[") <= DEEPEST:
        return 0
    deepest = level = 0
    quoted = escaped = False
    for letter in text:
        if quoted:
            quoted, escaped = escaped or letter != '"', letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in "{[":
            level += 1
            deepest = max(deepest, level)
        elif letter in "}]":
            level -= 1
    return deepest


def _has_nul(found: Any) -> bool:
    if isinstance(found, dict):
        return any("\0" in name or _has_nul(inner) for name, inner in found.items())
    return isinstance(found, list) and any(map(_has_nul, found))


def _measure(connection: DuckDBPyConnection, lines: str, numbers: Mapping[tuple[Part, ...], Node]) -> None:
    """Marks the numbers that a double, or 64 bits with a sign, would change, in one pass over lines that may have such."""
    tests, nodes = [], []
    for parts, node in numbers.items():
        path = _json_path(parts)
        if path is None:
            node.inexact = node.beyond = True
            continue
        nodes.append(node)
        # A path without a list gives one value, one with lists all of them.
        listed = literal(path) if 0 in parts else f"[{literal(path)}]"
        whole = (
            f"list_transform(list_filter(json_extract_string(json, {listed}), "
            "lambda text: regexp_full_match(text, '-?[0-9]+')), lambda text: TRY_CAST(text AS HUGEINT))"
        )
        for bound in (f"abs(number) > {2**53}", f"number NOT BETWEEN {-(2**63)} AND {2**63 - 1}"):
            found = f"len(list_filter({whole}, lambda number: number IS NULL OR {bound})) > 0"
            tests.append(f"coalesce(bool_or({found}), false)")
    if tests:
        found_ = connection.execute(f"SELECT {', '.join(tests)} FROM {lines}").fetchall()[0]
        for number, node in enumerate(nodes):
            node.inexact, node.beyond = found_[2 * number : 2 * number + 2]


def _json_path(parts: Sequence[Part]) -> str | None:
    """A JSONPath, or None for keys that the notation cannot have."""
    if any(isinstance(part, str) and (not part or '"' in part or "\\" in part) for part in parts):
        return None
    return "$" + "".join("[*]" if isinstance(part, int) else f'."{part}"' for part in parts)
