"""The values of documents that a starter recipe may use, and facts about them in the first documents of some shards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec.database.connection import shared
from recipec.database.sql import column
from recipec.inputs import packing, scans, shards
from recipec.ir import paths, shapes
from recipec.ir.expressions import Type
from recipec.ir.paths import Part
from recipec.ir.shapes import Columns, Shape
from recipec.places import local
from recipec.quickstart.folders import Group
from recipec.quickstart.wording import NOWHERE, quoted, shown
from recipec.syntax import ast, printing

SAMPLED_SHARDS, SAMPLED_ROWS = 3, 5_000
"""How many shards of a source are looked into, and how many rows of each: the first, the last, those between evenly."""

MOST_FIELDS, DEEPEST = 300, 4
"""The most values of a document that are looked at, and the most names in the reference to one."""

LONG = 200
"""The characters of a document that is long enough to be worth training on."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a document that is no list and no object.

    Attributes:
        parts: of its reference.
        placed: whether the folders of shards state it (`lang=en/`), rather than their columns.
    """

    parts: tuple[Part, ...]
    shape: Shape
    placed: bool = False

    @property
    def type(self) -> Type:
        return shapes.language(self.shape)

    @property
    def name(self) -> str:
        """The last name of its reference, in lower case and with `_` between its words."""
        last = next(part for part in reversed(self.parts) if isinstance(part, str))
        return re.sub(r"\W+", "_", last.lower())

    @property
    def reference(self) -> str:
        return paths.reference(self.parts)

    @property
    def shown(self) -> str:
        """The reference as a comment or message has it, in back quotes."""
        text = shown(self.reference)
        return text if "`" in text else f"`{text}`"

    @property
    def written(self) -> str:
        """The reference as a recipe has it."""
        return written(self.parts)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a sample of documents says about a value.

    Attributes:
        rows: of the sample; in `missing` of them the value is null or NaN.
        distinct: how many different values there are.
        length: mean number of characters, of strings.
        long: how many strings have `LONG` characters or more.
        least: the smallest value.
    """

    rows: int
    missing: int
    distinct: int
    length: float
    long: int
    least: Any

    @property
    def unique(self) -> bool:
        return not self.missing and self.distinct == self.rows > 0


NOTHING = Facts(0, 0, 0, 0.0, 0, None)
"""Of shards without rows."""


def written(parts: Sequence[Part]) -> str:
    """A reference as a recipe has it, with back quotes around odd names."""
    first = parts[0]
    if len(parts) == 1 and isinstance(first, str) and "." not in first and "[" not in first and "]" not in first:
        return quoted(first)
    return printing.path(ast.Path(tuple(parts), span=NOWHERE))


def is_writable(parts: Sequence[Part]) -> bool:
    """Whether a recipe can have a reference: back quotes cannot surround some characters."""
    return all(isinstance(part, int) or (part != "" and not set(part) & set("`\n\0")) for part in parts)


def fields(group: Group) -> list[Field]:
    """The values of the documents of a group: what folders state, then columns, then what is inside those."""
    known = {name for name, _ in group.columns}
    places = {name for path in group.paths for name, _ in _partitions(group, path)} - known
    placed = [Field((name,), shapes.TEXT, placed=True) for name in sorted(places) if is_writable([name])]
    return [*placed, *of_columns(group.columns)]


def of_columns(columns: Columns) -> list[Field]:
    """The values in some columns."""
    parsed = [((name,), shapes.parse(text)) for name, text in columns]
    found = [Field(parts, shape) for parts, shape in _inside(parsed) if is_writable(parts)]
    return sorted(found, key=lambda one: len(one.parts))[:MOST_FIELDS]


def _inside(columns: Iterable[tuple[tuple[Part, ...], Shape]]) -> Iterator[tuple[tuple[Part, ...], Shape]]:
    for parts, shape in columns:
        if shape.word == "STRUCT" and len(parts) < DEEPEST:
            yield from _inside(((*parts, name), inner) for name, inner in shape.fields)
        elif shapes.language(shape) not in ("other", "null") and shape != shapes.CLASH:
            yield parts, shape


def _partitions(group: Group, path: Path) -> tuple[tuple[str, str | None], ...]:
    return scans.partition_names(str(path).removeprefix(str(group.root / "x")[:-1]))


def sample(group: Group, fields: Sequence[Field], beside: Path) -> dict[Field, Facts]:
    """The facts about some values in the first rows of some shards; what folders state, in all shards.

    Raises:
        Failure: a shard cannot be read.
    """
    facts = {one: _of_folders(group, one) for one in fields if one.placed}
    inside = [one for one in fields if not one.placed]
    return {**facts, **_of_rows(_chosen(group), inside, beside)}


def _chosen(group: Group) -> list[Path]:
    found = [path for path in group.paths if local.size(path)]
    if not found:
        return []
    last = len(found) - 1
    return [found[at] for at in dict.fromkeys(round(last * n / (SAMPLED_SHARDS - 1)) for n in range(SAMPLED_SHARDS))]


def _of_folders(group: Group, one: Field) -> Facts:
    values = [dict(_partitions(group, path)).get(str(one.parts[0])) for path in group.paths]
    known = [value for value in values if value is not None]
    return Facts(len(values), len(values) - len(known), len(set(known)), 0.0, 0, min(known, default=None))


def _of_rows(chosen: Sequence[Path], inside: Sequence[Field], beside: Path) -> dict[Field, Facts]:
    # Imported here: loading the engine takes longer than most commands.
    import duckdb

    known = [(path, columns) for path in chosen if (columns := shards.schema(path, beside))]
    if not known or not inside:
        return dict.fromkeys(inside, NOTHING)
    tables = " UNION ALL ".join(_first_rows(path, columns, inside, beside) for path, columns in known)
    asked = ", ".join(sql for number, one in enumerate(inside) for sql in _aggregates(f"c{number}", one))
    try:
        with shared(packing.readable(path, beside) for path in chosen) as connection:
            rows, *found = connection.execute(f"SELECT count(*), {asked} FROM ({tables})").fetchall()[0]
    except duckdb.Error as error:
        raise shards.unreadable(chosen[0], error) from None
    each = len(found) // len(inside)
    values = (found[each * number : each * (number + 1)] for number in range(len(inside)))
    return {
        one: Facts(rows, rows - present, distinct, length or 0.0, long, least)
        for one, (present, distinct, length, long, least) in zip(inside, values, strict=True)
    }


def _first_rows(path: Path, columns: Columns, inside: Sequence[Field], beside: Path) -> str:
    """SQL of some values, c0, c1, …, of the first rows of a shard."""
    wanted = [(one.reference, _type(one)) for one in inside]
    with shards.reading(path):
        table = shards.format_of(path).scan(packing.readable(path, beside), columns, wanted, "__row")
    listed = ", ".join(f"{column(reference)} AS c{number}" for number, (reference, _) in enumerate(wanted))
    return f"(SELECT {listed} FROM {table} LIMIT {SAMPLED_ROWS})"


def _type(one: Field) -> shapes.TypeText:
    return shapes.VARCHAR if one.type in ("string", "json") else shapes.taken(one.shape)


def _aggregates(name: str, one: Field) -> tuple[str, ...]:
    """SQL of the parts of `Facts`."""
    value = f"CASE WHEN isfinite({name}) THEN {name} END" if one.shape.word in shapes.FLOATS else name
    length = f"length({name})" if one.type in ("string", "json") else "NULL :: BIGINT"
    return (
        f"count({value})",
        f"count(DISTINCT CASE WHEN {value} IS NOT NULL THEN hash({value}) END)",
        f"avg({length})",
        f"count(*) FILTER ({length} >= {LONG})",
        f"left(CAST(min({value}) AS VARCHAR), 60)",
    )
