"""The rows of shards as a dataset has them: columns of common types, or lines of JSON with the fields as they were written.

typed   c0, c1, … with the types of the dataset's columns
lines   a text per row, `{"doc_id":"a","text":"…"` without its end, to which the provenance is added
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recipec.database.sql import ident, literal
from recipec.dataset import columns
from recipec.inputs import packing, scans, shards
from recipec.ir import logical, paths, shapes
from recipec.ir.execution import Shard

ROW = "__row"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str  # as DuckDB writes it


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a dataset are made of those of shards.

    Attributes:
        schema: the columns of the dataset, the five provenance columns last.
        lines: whether rows are lines of text.
    """

    op: logical.Write
    folder: Path
    schema: tuple[Column, ...]
    lines: bool

    def held(self) -> tuple[str, ...]:
        """The SQL types of what is held of each row, named c0, c1, …, the provenance last."""
        provenance = tuple(column.type for column in self.schema[-5:])
        return ("VARCHAR", *provenance) if self.lines else tuple(column.type for column in self.schema)

    def values(self, shard: Shard) -> tuple[str, list[str]]:
        """A table expression of a shard's rows with their number `__row`, and SQL of what is held of each, without the
        provenance."""
        return self._line(shard) if self.lines else self._typed(shard)

    def selected(self) -> str:
        """The select list of the dataset's own rows from what is held."""
        if not self.lines:
            names = columns.written(tuple(column.name for column in self.schema))
            return ", ".join(f"c{number} AS {ident(name)}" for number, name in enumerate(names))
        ours = _object((column.name, f"c{number}") for number, column in enumerate(self.schema[-5:], start=1))
        return f"c0 || CASE WHEN ends_with(c0, '{{') THEN '' ELSE ',' END || {ours} || '}}' AS line"

    def _typed(self, shard: Shard) -> tuple[str, list[str]]:
        there = set(columns.columns_in(self.op, shard))
        own = {name for name, _ in shard.schema_}
        wanted = [column for column in self.schema[:-5] if column.name in there and column.name in own]
        numbers = {column.name: number for number, column in enumerate(wanted)}
        place = shards.path(shard, self.folder)
        with shards.reading(place):
            table = scans.whole(place, self.folder, shard.schema_, tuple((c.name, c.type) for c in wanted), ROW)
        stated = dict(scans.partition_names(shard.path))
        values = []
        for column in self.schema[:-5]:
            if column.name in numbers:
                values.append(f"texts.c{numbers[column.name]}")
            elif column.name in there:
                value = literal(stated.get(column.name))
                values.append(f"to_json({value})" if column.type == "JSON" else f"CAST({value} AS {column.type})")
            else:
                values.append(f"CAST(NULL AS {column.type})")
        return table, values

    def _line(self, shard: Shard) -> tuple[str, list[str]]:
        place = shards.path(shard, self.folder)
        format_ = shards.format_of(place)
        if format_.lines is None:
            return self._object(shard)
        own = {name for name, _ in shard.schema_}
        stated = dict(scans.partition_names(shard.path))
        names = [name for name in columns.columns_in(self.op, shard) if name in stated and name not in own]
        more = "".join(f" || {literal(f',{_key(name)}{_json(stated[name])}')}" for name in names)
        with shards.reading(place):
            table = format_.lines(packing.readable(place, self.folder), ROW)
        return table, [_after(self._chosen(shard), more)]

    def _object(self, shard: Shard) -> tuple[str, list[str]]:
        """As `_line`, for shards of a format without lines: an object with all columns of the dataset."""
        schema = tuple(Column(column.name, "JSON") for column in self.schema)
        table, values = replace(self, schema=schema)._typed(shard)
        floats = {name for name, shape in shard.schema_ if shape in shapes.FLOATS}
        pairs = (
            # JSON has neither NaN nor infinities, which are no values.
            (
                column.name,
                f"CASE WHEN isfinite(CAST({value} AS DOUBLE)) THEN {value} END" if column.name in floats else value,
            )
            for column, value in zip(schema[:-5], values, strict=True)
        )
        return table, [f"'{{' || {_object(pairs)}"]

    def _chosen(self, shard: Shard) -> str:
        """SQL of a line without its end: the whole of it, or the fields that the recipe chooses."""
        if not self.op.output.columns:
            # Some programs write a comma after the last field.
            return "rtrim(left(texts.line, -1), ' \t,')"
        names = [name for name in columns.columns_in(self.op, shard) if name in dict(shard.schema_)]
        fields = [f"json_extract(texts.line, {literal(paths.pointer([name]))})" for name in names]
        pairs = (
            f"CASE WHEN {field} IS NULL THEN '' ELSE {literal(',' + _key(name))} || CAST({field} AS VARCHAR) END"
            for name, field in zip(names, fields, strict=True)
        )
        return f"'{{' || substr({' || '.join(pairs) or repr('')}, 2)"


def _after(body: str, more: str) -> str:
    """SQL of a line's body with further fields, each beginning with a comma."""
    if not more:
        return body
    return f"(SELECT CASE WHEN ends_with(b, '{{') THEN b || substr(''{more}, 2) ELSE b{more} END FROM (SELECT {body} AS b))"


def _json(value: str | None) -> str:
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return f"{_json(name)}:"


def _object(pairs: Iterator[tuple[str, str]]) -> str:
    """SQL of the fields of a JSON object, without its brackets."""
    fields = [f"{literal(_key(name))} || coalesce(CAST(to_json({value}) AS VARCHAR), 'null')" for name, value in pairs]
    return " || ',' || ".join(fields) or "''"


def no_rows(types: Sequence[str]) -> str:
    """A query without rows of what is held."""
    values = ", ".join(f"CAST(NULL AS {type_}) AS c{number}" for number, type_ in enumerate(types))
    return f"SELECT 0 :: BIGINT AS part, 0 :: BIGINT AS position, {values} WHERE false"
