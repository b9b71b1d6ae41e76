"""Values that a `Read` derives from texts, each stored by what it depends on: the text's column, the expression, the bytes.

A changed threshold, tokenizer-counted tokens of a source with another filter, or another recipe over the same shards then
need no text: `length(text) >= 200` is stored as `length(text)`, and compared anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database.sql import column, expression, file, literal
from recipec.database.values import FAULT
from recipec.inputs import scans, tokens
from recipec.inputs.facts import is_short, needed
from recipec.ir import logical, model
from recipec.ir.execution import Shard
from recipec.ir.expressions import Apply, Column, Expression, columns_of, describe
from recipec.ir.provenance import without_origins
from recipec.places import digests, local, sealed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION = 2
"""Increased when the same expression gives other values."""

TOKENS = "tokens of the text"
UNREAD = "why the text is unread"
"""The name of the stored reason why a row has no text that can be used, null for all others."""


@dataclass(frozen=True, slots=True)
class Value:
    """A stored value: the name that it has as a column, and the SQL that derives it from a row of the shard.

    Attributes:
        sql: None for token counts by a tokenizer, which SQL cannot give.
        id: what it depends on apart from the shard's bytes.
    """

    name: str
    sql: str | None
    id: str

    def path(self, root: Path, shard: Shard) -> Path:
        """The path of the stored values of a shard: `row BIGINT` and `value`."""
        return root / "steps" / self.id / f"{shard.key}.parquet"


@dataclass(frozen=True, slots=True)
class Kept:
    """A `Read` whose texts are replaced by stored values.

    Attributes:
        op: the operation over columns that have the names of the values.
        values: what it needs; `texts`: whether it needs the text itself nevertheless.
    """

    op: logical.Read
    values: tuple[Value, ...]
    texts: bool


def keeping(op: logical.Read, folder: Path, *, nulls: bool) -> Kept:
    """A `Read` with what it derives from texts taken out.

    Args:
        nulls: whether texts may be missing, which makes a row unreadable.
    """
    taking = _Taking(op.source, {})
    source = op.source.model_copy(update={"id": taking.of(op.source.id), "domain": taking.of(op.source.domain)})
    if source.tokens.column is not None:
        counted = source.tokens.model_copy(update={"column": taking.of(source.tokens.column)})
        source = source.model_copy(update={"tokens": counted})
    changed = op.model_copy(
        update={
            "source": source,
            "outputs": tuple(o.model_copy(update={"expression": taking.of(o.expression)}) for o in op.outputs),
        }
    )
    values = [_value(name, found, op.source) for name, found in taking.found.items()]
    if source.tokens.by != "column":
        values.append(_tokens(op.source, folder))
    if nulls:
        values.append(_unread(source.text))
    return Kept(changed, tuple(values), source.text in needed(changed))


@dataclass(frozen=True, slots=True)
class _Taking:
    """Takes values of a source's texts out of expressions; `found` has them by the name of the column in their place."""

    source: model.Source
    found: dict[str, Expression]

    def of(self, part: Expression) -> Expression:
        if not isinstance(part, Apply) or self.source.text not in columns_of(part):
            return part
        if is_short(part, self.source.text):
            return Column(name=self._name(part), type=part.type)
        return part.model_copy(update={"operands": tuple(self.of(operand) for operand in part.operands)})

    def _name(self, part: Apply) -> str:
        name = describe(part)
        taken = {TOKENS, UNREAD, *(name for name, _ in scans.columns_of(self.source))}
        while name in taken or self.found.get(name, part) != part:
            name += " "
        self.found[name] = part
        return name


def _value(name: str, found: Expression, source: model.Source) -> Value:
    said = ["value", VERSION, source.text, without_origins(found.model_dump(mode="json"))]
    id_ = hashlib.sha256(digests.canonical_json(said).encode()).hexdigest()[:32]
    return Value(name, expression(found), id_)


def _unread(text: str) -> Value:
    sql = f"CASE WHEN {FAULT} IS NOT NULL THEN {FAULT} WHEN {column(text)} IS NULL THEN 'text is null' END"
    said = ["unread", VERSION, text]
    return Value(UNREAD, sql, hashlib.sha256(digests.canonical_json(said).encode()).hexdigest()[:32])


BYTES_PER_TOKEN = 4
"""The ratio for estimated token counts: about that of today's tokenizers on English text."""


def estimated(text: str) -> str:
    """SQL of the estimated tokens of a text."""
    return f"greatest(1, (strlen({column(text)}) + {BYTES_PER_TOKEN - 1}) // {BYTES_PER_TOKEN})"


def _tokens(source: model.Source, folder: Path) -> Value:
    """The token counts of texts; those by a tokenizer are null for a missing text."""
    sql, by = None, ""
    if source.tokens.by == "tokenizer":
        file_ = tokens.file_of(source, folder)
        by = digests.sha256_file(file_) if local.is_file(file_) else ""
    else:
        sql = estimated(source.text)
    said = ["tokens", VERSION, source.text, by]
    return Value(TOKENS, sql, hashlib.sha256(digests.canonical_json(said).encode()).hexdigest()[:32])


SCANNED = "kept_values"
"""The table of what one scan of a shard gives."""


def store(
    connection: DuckDBPyConnection,
    values: Mapping[Value, Path],
    scan: str,
    counted: str,
    others: Sequence[str] = (),
) -> None:
    """Writes values of a shard in one scan of its texts.

    Args:
        scan: a table expression with the text, `FAULT` and `__row`; `counted`: the table of the tokenizer's counts.
        others: further columns of the scan; they, `FAULT` and `__row` are then left in the table `SCANNED`.
    """
    by_sql = [value for value in values if value.sql is not None]
    if by_sql or others:
        derived = [f"{value.sql} AS v{number}" for number, value in enumerate(by_sql)]
        columns = ", ".join(["__row AS row", *derived, *((FAULT, "__row", *map(column, others)) if others else ())])
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {SCANNED} AS SELECT {columns} FROM {scan}")
    for value, path in values.items():
        rows = f"SELECT row, tokens AS value FROM {counted}"
        if value.sql is not None:
            rows = f"SELECT row, v{by_sql.index(value)} AS value FROM {SCANNED}"
        with sealed.replacing(path) as temporary:
            connection.execute(
                f"COPY ({rows} ORDER BY row) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
            )
    if not others:
        connection.execute(f"DROP TABLE IF EXISTS {SCANNED}")


def joined(scan: str, values: Mapping[Value, Path]) -> str:
    """A table expression of a scan with stored values as columns."""
    if not values:
        return scan
    columns = "".join(f", k{number}.value AS {column(value.name)}" for number, value in enumerate(values))
    joins = " ".join(_joins(values))
    return f"(SELECT s.*{columns} FROM {scan} AS s {joins})"


def _joins(values: Mapping[Value, Path]) -> Iterator[str]:
    for number, path in enumerate(values.values()):
        yield f"LEFT JOIN read_parquet({file(path)}, hive_partitioning = false) AS k{number} ON k{number}.row = s.__row"
