"""Op `Gather`: the documents of all sources in one table, with duplicates resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database.sql import column, expression, ident, literal
from recipec.inputs.documents import exactness
from recipec.ir import logical
from recipec.ir.expressions import Score
from recipec.places import sealed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class GatherInput:
    """One input of a gather.

    Attributes:
        index: its place among the inputs.
        source: the name of the source.
        relation: a table expression with doc_id, shard, row, number, domain, tokens, bad, rejected_by, evidence, the outputs of
            `Read` and the scores, each by name.
    """

    index: int
    source: str
    relation: str


def relation(op: logical.Gather, parts: Sequence[GatherInput]) -> str:
    """A table expression of the candidates of all sources (see `logical.Gather`), with duplicates unresolved."""
    return f"(SELECT {', '.join(_columns(op))} FROM ({_united(op, parts)}))"


def gather(connection: DuckDBPyConnection, op: logical.Gather, parts: Sequence[GatherInput], destination: Path) -> None:
    """Writes the candidates of all sources (see `logical.Gather`)."""
    query = f"SELECT * FROM ({_united(op, parts)})"
    for number, clause in enumerate(op.duplicates):
        query = _without_duplicates(query, f"key_{number}", clause.text)
    query = f"SELECT {', '.join(_columns(op))} FROM ({query})"
    with sealed.replacing(destination) as temporary:
        connection.execute(f"COPY ({query}) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION snappy)")


def _united(op: logical.Gather, parts: Sequence[GatherInput]) -> str:
    return " UNION ALL ".join(_part(op, part) for part in parts)


def score_column(criterion: str) -> str:
    """The ledger's column of a criterion's raw value."""
    return f"score_{criterion}"


def exact_column(criterion: str) -> str:
    """The ledger's column that says whether a cascaded criterion's value is exact."""
    return f"exact_{criterion}"


def _columns(op: logical.Gather) -> list[str]:
    fixed = ["source", "doc_id", "shard", "row", "domain", "tokens", "bad", "rejected_by", "evidence"]
    scores = [ident(score_column(criterion.name)) for criterion in op.criteria]
    exact = [ident(exact_column(criterion.name)) for criterion in op.criteria if criterion.cascade]
    return [*fixed, *scores, *exact, "cap", "nest", "number"]


def _part(op: logical.Gather, part: GatherInput) -> str:
    """SQL of one input with its scores as doubles; a non-finite score makes the row unreadable."""
    index = part.index
    scores = [(score_column(c.name), f"CAST({expression(c.values[index])} AS DOUBLE)") for c in op.criteria]
    keys = [f"{expression(clause.keys[index])} AS key_{number}" for number, clause in enumerate(op.duplicates)]
    bad = " ".join(f"WHEN NOT isfinite({value}) THEN {literal(f'{name} is not finite')}" for name, value in scores)
    values = [
        f"{literal(part.source)} AS source",
        "doc_id",
        "shard",
        "row",
        "number",
        "domain",
        "tokens",
        f"coalesce(bad, CASE {bad} END) AS bad" if bad else "bad",
        "rejected_by",
        "evidence",
        *(f"CASE WHEN isfinite({value}) THEN {value} END AS {ident(name)}" for name, value in scores),
        *(f"{_exact(c, index)} AS {ident(exact_column(c.name))}" for c in op.criteria if c.cascade),
        f"{_cap(op)} AS cap",
        f"{_nest(op)} AS nest",
        *keys,
    ]
    inner = f"SELECT {', '.join(values)} FROM {part.relation}"
    return f"SELECT * REPLACE (CASE WHEN bad IS NULL THEN rejected_by END AS rejected_by) FROM ({inner})"


def _exact(criterion: logical.GatherCriterion, index: int) -> str:
    value = criterion.values[index]
    assert isinstance(value, Score), "a cascade is a separate criterion"
    return column(exactness(value.name))


def _cap(op: logical.Gather) -> str:
    """SQL of the document's own repetition limit: a whole number of at least 0, or null if it has none."""
    if not op.caps:
        return "CAST(NULL AS DOUBLE)"
    limits = [
        f"CASE WHEN isfinite(CAST({ident(name)} AS DOUBLE)) THEN CAST({ident(name)} AS DOUBLE) END" for name in op.caps
    ]
    least = f"least({', '.join(limits)})"
    return f"CASE WHEN {least} IS NOT NULL THEN greatest(0, floor({least})) END"


def _nest(op: logical.Gather) -> str:
    bits = [f"CASE WHEN {ident(name)} THEN {1 << bit} ELSE 0 END" for bit, name in enumerate(op.nests)]
    return f"CAST({' + '.join(bits) or '0'} AS BIGINT)"


def _without_duplicates(query: str, key: str, text: str) -> str:
    """SQL that rejects, among documents with equal keys that pass all else, all but the first by source and id."""
    passing = f"(bad IS NULL AND rejected_by IS NULL AND {key} IS NOT NULL)"
    return f"""
        SELECT * EXCLUDE (copy_number, first_copy)
            REPLACE (
                CASE WHEN {passing} AND copy_number > 1 THEN {literal(text)} ELSE rejected_by END AS rejected_by,
                CASE WHEN {passing} AND copy_number > 1 THEN first_copy ELSE evidence END AS evidence
            )
        FROM (
            SELECT *, row_number() OVER same AS copy_number,
                'same as ' || first_value(doc_id) OVER same || ' of ' || first_value(source) OVER same AS first_copy
            FROM ({query}) WINDOW same AS (PARTITION BY {passing}, {key} ORDER BY source, doc_id)
        )
    """
