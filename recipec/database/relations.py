"""The documents of a source as SQL over stored step results: reads, scores joined by shard and row, and filters.

doc_id, shard, row, domain, tokens, bad, rejected_by, evidence, outputs of Read…, scores…
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recipec.database.evidence import evidence
from recipec.database.sql import expression, ident, literal
from recipec.ir import logical
from recipec.ir.task import Documents, Scored

SEPARATOR = "\x1f"

ESTIMATE = "estimate"
"""Separates the hash that chooses an estimate's documents from the one that draws them: they must be independent."""


def exactness(score: str) -> str:
    """The column that says whether a cascaded score is exact."""
    return f"{score} exact"


def documents(found: Documents, root: Path) -> str:
    """A table expression of documents.

    Args:
        root: the state folder with their results.
    """
    scores = [link for link in found.links if isinstance(link, Scored)]
    predicates = [
        predicate for link in found.links if isinstance(link, logical.Filter) for predicate in link.predicates
    ]
    joined = _joined(found, scores, root)
    if found.share is not None:
        joined = f"(SELECT * FROM {joined} WHERE {_chosen(found.read.source.name, found.seed, found.share)})"
    return _filtered(joined, predicates) if predicates else joined


def survivors(found: Documents, root: Path) -> str:
    """A table expression with the `row`s that are readable and pass all clauses so far."""
    return f"(SELECT row FROM {documents(found, root)} WHERE bad IS NULL AND rejected_by IS NULL)"


def _joined(found: Documents, scores: Sequence[Scored], root: Path) -> str:
    """The read documents with their scores, which are `null` for documents that were not scored."""
    paths = ", ".join(literal(shard.path) for shard in found.shards)
    fixed = (
        "doc_id",
        "row",
        "domain",
        "tokens",
        "bad",
        "rejected_by",
        "evidence",
        *(output.name for output in found.read.outputs),
    )
    values = [f"r.{ident(name)}" for name in fixed]
    values.append(f"([{paths}])[CAST(r.file_index AS BIGINT) + 1] AS shard" if found.shards else "'' AS shard")
    joins = []
    for number, score in enumerate(scores):
        values.append(f"s{number}.value AS {ident(score.name)}")
        if score.cascade:
            values.append(f"s{number}.exact AS {ident(exactness(score.name))}")
        joins.append(
            f"LEFT JOIN {_files(score.files, root)} AS s{number} "
            f"ON s{number}.row = r.row AND s{number}.file_index = r.file_index"
        )
    return f"(SELECT {', '.join(values)} FROM {_files(found.files, root)} AS r {' '.join(joins)})"


def _files(files: Sequence[str], root: Path) -> str:
    return f"read_parquet([{', '.join(literal(str(root / file)) for file in files)}], hive_partitioning = false)"


def _chosen(source: str, seed: int, share: float) -> str:
    key = f"{literal(SEPARATOR.join((ESTIMATE, str(seed), source, '')))} || doc_id"
    return f"(doc_id IS NULL OR md5_number_lower({key}) < {int(share * 2**64)} :: UHUGEINT)"


def _filtered(relation: str, predicates: Sequence[logical.Predicate]) -> str:
    """The relation with `rejected_by` and `evidence` of the first predicate that is not true."""
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
