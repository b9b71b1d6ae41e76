"""The documents of a source as SQL over stored step results: reads, scores joined by shard and row, filters.

doc_id, shard, row, domain, tokens, bad, rejected_by, evidence, outputs of Read…, scores…
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recipec.database.evidence import evidence
from recipec.database.sql import expression, ident, literal
from recipec.ir import logical
from recipec.ir.execution import Shard
from recipec.ir.expressions import Type

SEPARATOR = "\x1f"

ESTIMATE = "estimate"
"""Keeps the hash that chooses an estimate's documents apart from the one that draws them: they must be independent."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The stored values of one score: a file a shard, in the order of the shards; of a cascade with `exact`."""

    name: str
    type: Type
    files: tuple[Path, ...]
    cascade: bool = False


def exactness(score: str) -> str:
    """The column that says of a cascaded score whether it is exact."""
    return f"{score} exact"


def documents(
    read: logical.Read,
    shards: Sequence[Shard],
    files: Sequence[Path],
    links: Sequence[Scored | logical.Filter],
    *,
    seed: int,
    share: float | None = None,
) -> str:
    """A table expression of all documents of some shards after `links`.

    Args:
        files: the results of `read`, in the order of `shards`.
        share: keep only this share of the documents, chosen by a keyed hash of their ids, for an estimate.
    """
    scores = [link for link in links if isinstance(link, Scored)]
    predicates = [predicate for link in links if isinstance(link, logical.Filter) for predicate in link.predicates]
    joined = _joined(read, shards, files, scores)
    if share is not None:
        joined = f"(SELECT * FROM {joined} WHERE {_chosen(read.source.name, seed, share)})"
    return _filtered(joined, predicates) if predicates else joined


def _joined(read: logical.Read, shards: Sequence[Shard], files: Sequence[Path], scores: Sequence[Scored]) -> str:
    """The read documents with their scores, `null` where a document was not scored."""
    paths = ", ".join(literal(shard.path) for shard in shards)
    fixed = (
        "doc_id",
        "row",
        "domain",
        "tokens",
        "bad",
        "rejected_by",
        "evidence",
        *(output.name for output in read.outputs),
    )
    values = [f"r.{ident(name)}" for name in fixed]
    values.append(f"([{paths}])[CAST(r.file_index AS BIGINT) + 1] AS shard" if shards else "'' AS shard")
    joins = []
    for number, score in enumerate(scores):
        values.append(f"s{number}.value AS {ident(score.name)}")
        if score.cascade:
            values.append(f"s{number}.exact AS {ident(exactness(score.name))}")
        joins.append(
            f"LEFT JOIN {_files(score.files)} AS s{number} "
            f"ON s{number}.row = r.row AND s{number}.file_index = r.file_index"
        )
    return f"(SELECT {', '.join(values)} FROM {_files(files)} AS r {' '.join(joins)})"


def _files(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], hive_partitioning = false)"


def _chosen(source: str, seed: int, share: float) -> str:
    key = f"{literal(SEPARATOR.join((ESTIMATE, str(seed), source, '')))} || doc_id"
    return f"(doc_id IS NULL OR md5_number_lower({key}) < {int(share * 2**64)} :: UHUGEINT)"


def _filtered(relation: str, predicates: Sequence[logical.Predicate]) -> str:
    """`rejected_by` and `evidence` of the first predicate that is not true."""
    cases = " ".join(
        f"WHEN ({expression(predicate.condition)}) IS NOT TRUE THEN {number}"
        for number, predicate in enumerate(predicates, start=1)
    )
    texts = ", ".join(literal(predicate.text) for predicate in predicates)
    shown = "".join(
        f" WHEN {number} THEN {found}"
        for number, predicate in enumerate(predicates, start=1)
        if (found := evidence(predicate.condition)) is not None
    )
    shown = f"CASE failed{shown} END" if shown else "NULL"
    return f"""(
        SELECT * EXCLUDE (failed) REPLACE (
            coalesce(rejected_by, ([{texts}])[failed]) AS rejected_by, coalesce(evidence, {shown}) AS evidence
        ) FROM (
            SELECT *, CASE WHEN bad IS NOT NULL OR rejected_by IS NOT NULL THEN NULL {cases} END AS failed
            FROM {relation}
        )
    )"""
