"""The documents of a source as SQL: what was read of them, scores joined by shard and row, and clauses.

doc_id, shard, row, number, domain, tokens, bad, rejected_by, evidence, outputs of Read…, scores…
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from recipec.database.evidence import evidence
from recipec.database.sql import SEPARATOR, SHOWN, column, expression, literal
from recipec.inputs import reading
from recipec.inputs.facts import Facts, facts
from recipec.ir import logical
from recipec.ir.task import Documents, Scored
from recipec.places import sealed

ESTIMATE = "estimate"
"""Separates the hash that chooses an estimate's documents from the one that draws them: they must be independent."""


def exactness(score: str) -> str:
    """The column that says whether a cascaded score is exact."""
    return f"{score} exact"


def documents(found: Documents, root: Path, folder: Path) -> str:
    """A table expression of documents.

    Args:
        root: the state folder with their results; `folder`: the one to which paths of shards are relative.
    """
    read = facts(found.read)
    scores = [link for link in found.links if isinstance(link, Scored)]
    predicates = _predicates(found, read)
    joined = _joined(found, read.read, scores, root, folder)
    if found.share is not None:
        joined = f"(SELECT * FROM {joined} WHERE {_chosen(found.read.source.name, found.seed, found.share)})"
    return _filtered(joined, predicates) if predicates else joined


def survivors(found: Documents, root: Path, folder: Path) -> str:
    """A table expression with the `row`s that are readable and pass all clauses so far."""
    return f"(SELECT row FROM {documents(found, root, folder)} WHERE bad IS NULL AND rejected_by IS NULL)"


def rejections(found: Documents, root: Path, folder: Path) -> tuple[str, tuple[str, ...]] | None:
    """SQL of the `number` and the `clause` of documents that a clause rejects, unreadable ones among them, and the texts of
    the clauses, numbered from 1; None if there are no clauses. Scans nothing but what the clauses compare."""
    read = facts(found.read)
    scores = [link for link in found.links if isinstance(link, Scored)]
    predicates = _predicates(found, read)
    if not predicates:
        return None
    joined = _joined(found, read.read, scores, root, folder)
    query = f"SELECT number, CASE {_failing(predicates)} END AS clause FROM {joined}"
    return f"SELECT * FROM ({query}) WHERE clause IS NOT NULL", tuple(predicate.text for predicate in predicates)


def _predicates(found: Documents, read: Facts) -> list[logical.Predicate]:
    later = [predicate for link in found.links if isinstance(link, logical.Filter) for predicate in link.predicates]
    return [*read.predicates, *later]


def _failing(predicates: Sequence[logical.Predicate]) -> str:
    """The branches of a CASE that gives the number of the first clause, from 1, that is not true."""
    return " ".join(
        f"WHEN ({expression(predicate.condition)}) IS NOT TRUE THEN {number}"
        for number, predicate in enumerate(predicates, start=1)
    )


def _joined(found: Documents, read: logical.Read, scores: Sequence[Scored], root: Path, folder: Path) -> str:
    """The read documents with their scores, which are `null` for documents that were not scored."""
    paths = ", ".join(literal(shard.path) for shard in found.shards)
    fixed = ("doc_id", "row", "domain", "tokens", *(output.name for output in read.outputs))
    values = [f"r.{column(name)}" for name in fixed]
    values += [f"split_part(r.bad, {SHOWN}, 1) AS bad", "CAST(NULL AS VARCHAR) AS rejected_by"]
    values.append(f"nullif(split_part(r.bad, {SHOWN}, 2), '') AS evidence")
    values.append(f"([{paths}])[r.place] AS shard" if found.shards else "'' AS shard")
    starts = ", ".join(map(str, found.starts))
    values.append(f"CAST(r.row + ([{starts}])[r.place] AS BIGINT) AS number" if starts else "r.row AS number")
    joins = []
    for number, score in enumerate(scores):
        values.append(f"s{number}.value AS {column(score.name)}")
        if score.cascade:
            values.append(f"s{number}.exact AS {column(exactness(score.name))}")
        joins.append(
            f"LEFT JOIN {_files(score.files, root)} AS s{number} "
            f"ON s{number}.row = r.row AND s{number}.file_index + 1 = r.place"
        )
    names = ", ".join(map(column, ("row", "doc_id", "domain", "tokens", "bad", *(o.name for o in read.outputs))))
    rows = " UNION ALL ".join(_rows(found, read, names, root, folder))
    return f"(SELECT {', '.join(values)} FROM ({rows}) AS r {' '.join(joins)})"


def _rows(found: Documents, read: logical.Read, names: str, root: Path, folder: Path) -> Iterator[str]:
    """SQL of what was read of the shards, and the `place` of each row's shard among them, from 1."""
    stored = [(place, file) for place, file in enumerate(found.files, start=1) if file]
    if stored or not found.shards:
        places = ", ".join(str(place) for place, _ in stored) or "0"
        files = _files([file for _, file in stored], root)
        yield f"SELECT {names}, ([{places}])[CAST(file_index AS BIGINT) + 1] AS place FROM {files}"
    for place, (shard, file) in enumerate(zip(found.shards, found.files, strict=True), start=1):
        if not file:
            yield f"SELECT {names}, {place} AS place FROM ({reading.rows(read, shard, folder)})"


def _files(files: Sequence[str], root: Path) -> str:
    sealed.check([root / file for file in files])
    return f"read_parquet([{', '.join(literal(str(root / file)) for file in files)}], hive_partitioning = false)"


def _chosen(source: str, seed: int, share: float) -> str:
    key = f"{literal(SEPARATOR.join((ESTIMATE, str(seed), source, '')))} || doc_id"
    return f"(doc_id IS NULL OR md5_number_lower({key}) < {int(share * 2**64)} :: UHUGEINT)"


def _filtered(relation: str, predicates: Sequence[logical.Predicate]) -> str:
    """The relation with `rejected_by` and `evidence` of the first predicate that is not true."""
    cases = _failing(predicates)
    texts = ", ".join(literal(predicate.text) for predicate in predicates)
    shown = "".join(
        f" WHEN {number} THEN {found}"
        for number, predicate in enumerate(predicates, start=1)
        if (found := evidence(predicate.condition)) is not None
    )
    shown = f"CASE{shown.replace(' WHEN ', ' WHEN failed = ')} ELSE evidence END" if shown else "evidence"
    return f"""(
        SELECT * EXCLUDE (failed) REPLACE (
            ([{texts}])[failed] AS rejected_by, CAST({shown} AS VARCHAR) AS evidence
        ) FROM (
            SELECT *, CASE WHEN bad IS NOT NULL THEN NULL {cases} END AS failed
            FROM {relation}
        )
    )"""
