"""Compares two recipes, plans or datasets: the text, the inputs, the domains, the documents, and why they changed.

The cause of a document's change is the first stage of its derivation at which the two ledgers differ: candidate,
readable, filter, domain, tokens, merged score, rank, curve, repetition limit, scale, draw.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from recipec.database.sql import literal
from recipec.ir.execution import InputFile
from recipec.ir.model import Recipe
from recipec.ir.selection import Cell, Selection

CAUSES = (
    ("old.doc_id IS NULL", "'new candidate'"),
    ("new.doc_id IS NULL", "'no longer a candidate'"),
    ("old.bad IS DISTINCT FROM new.bad", "'readability: ' || coalesce(new.bad, old.bad)"),
    ("old.rejected_by IS DISTINCT FROM new.rejected_by", "'filter: ' || coalesce(new.rejected_by, old.rejected_by)"),
    ("old.domain IS DISTINCT FROM new.domain", "'domain'"),
    ("old.tokens IS DISTINCT FROM new.tokens", "'token count'"),
    ("old.merged IS DISTINCT FROM new.merged", "'merged score (criteria or weights)'"),
    ("old.rank IS DISTINCT FROM new.rank", "'rank among the other documents'"),
    ("old.expected IS DISTINCT FROM new.expected", "'sampling curve'"),
    ("old.before IS DISTINCT FROM new.before", "'drawn in an earlier phase'"),
    ("old.cap IS DISTINCT FROM new.cap", "'repetition limit'"),
    ("old.scale IS DISTINCT FROM new.scale", "'scale (budget, mixture or quotas)'"),
    ("old.draw IS DISTINCT FROM new.draw", "'seed, or what earlier phases drew'"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a recipe only has its typed model, a plan also figures, a dataset (or an applied plan)
    also a ledger."""

    label: str
    recipe: Recipe
    shards: tuple[InputFile, ...] | None = None  # and files with attributes
    selection: Selection | None = None
    exact: bool = True
    ledger: str | None = None  # SQL of a relation with the ledger's columns
    loss: float | None = None  # as predicted by the budget's law
    folders: tuple[Path, ...] = ()  # where the ledger's files are


@dataclass(frozen=True, slots=True)
class DomainChange:
    """Drawn tokens and planned share of one domain on both sides, zero if the domain is absent. The cause is what moved
    its share: the mixture, or the bound that holds it now or held it before."""

    domain: str
    old_tokens: int
    new_tokens: int
    old_weight: float
    new_weight: float
    cause: str


@dataclass(frozen=True, slots=True)
class DocumentGroup:
    """Documents whose copies changed, by direction ("in", "out", "more", "fewer") and cause."""

    change: str
    cause: str
    documents: int
    tokens: int  # of the copies gained or lost


@dataclass(frozen=True, slots=True)
class DocumentChange:
    source: str
    doc_id: str
    domain: str
    old_copies: int
    new_copies: int
    cause: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The whole comparison. `documents` and `examples` are None if a side has no ledger."""

    recipe: tuple[str, ...]  # unified diff of the canonical texts
    shards: tuple[str, ...]  # "+ path", "- path", "~ path"
    domains: tuple[DomainChange, ...]
    documents: tuple[DocumentGroup, ...] | None
    examples: tuple[DocumentChange, ...] | None
    loss: tuple[float, float] | None = None  # predicted for both sides; None if a side has no law

    @property
    def empty(self) -> bool:
        changed = any((c.old_tokens, c.old_weight) != (c.new_tokens, c.new_weight) for c in self.domains)
        return not (self.recipe or self.shards or changed or self.documents)


def compare(connection: DuckDBPyConnection, old: Side, new: Side, *, examples: int = 10) -> Difference:
    """Compares two sides.

    Args:
        examples: number of changed documents to list; the counts always cover all.
    """
    documents = named = None
    if old.ledger is not None and new.ledger is not None:
        changes = changed_documents(*(_with_before(connection, ledger) for ledger in (old.ledger, new.ledger)))
        documents = document_groups(connection, changes)
        named = document_examples(connection, changes, examples)
    return Difference(
        recipe=recipe_lines(old, new),
        shards=shard_lines(old.shards, new.shards) if old.shards is not None and new.shards is not None else (),
        domains=domain_changes(old.selection, new.selection) if old.selection and new.selection else (),
        documents=documents,
        examples=named,
        loss=(old.loss, new.loss) if old.loss is not None and new.loss is not None else None,
    )


def recipe_lines(old: Side, new: Side) -> tuple[str, ...]:
    lines = difflib.unified_diff(
        old.recipe.canonical.splitlines(), new.recipe.canonical.splitlines(), old.label, new.label, n=0, lineterm=""
    )
    return tuple(lines)


def shard_lines(old: Sequence[InputFile], new: Sequence[InputFile]) -> tuple[str, ...]:
    """Lines for shards, and files with attributes, that were added, removed or changed, by source and path."""
    before = {(shard.source, shard.path): shard.sha256 for shard in old}
    after = {(shard.source, shard.path): shard.sha256 for shard in new}
    signs = {
        key: "+" if key not in before else "-" if key not in after else "~"
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    }
    return tuple(f"{sign} {path}" for (_, path), sign in sorted(signs.items()))


def domain_changes(old: Selection, new: Selection) -> tuple[DomainChange, ...]:
    before, after = _by_domain(old), _by_domain(new)
    return tuple(
        DomainChange(
            domain,
            sum(cell.drawn_tokens for cell in before[domain]),
            sum(cell.drawn_tokens for cell in after[domain]),
            sum(cell.weight for cell in before[domain]),
            sum(cell.weight for cell in after[domain]),
            _cause(before[domain], after[domain]),
        )
        for domain in sorted(before.keys() | after.keys())
    )


def _by_domain(selection: Selection) -> dict[str, list[Cell]]:
    result: dict[str, list[Cell]] = defaultdict(list)
    for cell in selection.cells:
        result[cell.domain].append(cell)
    return result


SAME = 1e-9
"""Tolerance for equal shares."""


def _cause(before: Sequence[Cell], after: Sequence[Cell]) -> str:
    """Why a domain's share has changed."""
    if abs(sum(cell.weight for cell in before) - sum(cell.weight for cell in after)) <= SAME:
        return ""
    if not before or not after:
        return "the pool"
    held, was = ({cell.binds for cell in cells if cell.binds} for cells in (after, before))
    if held:
        return f"bound by {', '.join(sorted(held))}"
    if was:
        return f"no longer bound by {', '.join(sorted(was))}"
    same = abs(sum(cell.asked for cell in before) - sum(cell.asked for cell in after)) <= SAME
    return "the bounds of others" if same else "mixture"


def changed_documents(old: str, new: str) -> str:
    """SQL query of the documents whose number of copies differs, with the cause of each."""
    causes = "\n".join(f"WHEN {condition} THEN {words}" for condition, words in CAUSES)
    return f"""
        SELECT coalesce(new.source, old.source) AS source, coalesce(new.doc_id, old.doc_id) AS doc_id,
               coalesce(new.domain, old.domain) AS domain, coalesce(new.tokens, old.tokens) AS tokens,
               coalesce(old.copies, 0) AS old_copies, coalesce(new.copies, 0) AS new_copies,
               CASE {causes} ELSE 'unexplained' END AS cause
        FROM ({old}) AS old FULL JOIN ({new}) AS new ON old.source = new.source AND old.doc_id = new.doc_id
        WHERE coalesce(old.copies, 0) <> coalesce(new.copies, 0)
    """


def _with_before(connection: DuckDBPyConnection, ledger: str) -> str:
    """A ledger with a column of the copies drawn in earlier phases: 0 if there are no phases."""
    names = {row[0] for row in connection.execute(f"DESCRIBE {ledger}").fetchall()}
    return ledger if "before" in names else f"SELECT *, 0 :: BIGINT AS before FROM ({ledger})"


def document_groups(connection: DuckDBPyConnection, changes: str) -> tuple[DocumentGroup, ...]:
    rows = connection.execute(f"""
        SELECT CASE WHEN old_copies = 0 THEN 'in' WHEN new_copies = 0 THEN 'out'
                    WHEN new_copies > old_copies THEN 'more' ELSE 'fewer' END AS change,
               cause, count(*)::BIGINT, sum(tokens * abs(new_copies - old_copies))::BIGINT
        FROM ({changes}) GROUP BY change, cause ORDER BY 3 DESC, 1, 2
    """).fetchall()
    return tuple(DocumentGroup(*row) for row in rows)


def document_examples(connection: DuckDBPyConnection, changes: str, limit: int) -> tuple[DocumentChange, ...]:
    rows = connection.execute(f"""
        SELECT source, doc_id, domain, old_copies, new_copies, cause FROM ({changes})
        ORDER BY source, doc_id LIMIT {int(limit)}
    """).fetchall()
    return tuple(DocumentChange(*row) for row in rows)


def ledger_relation(files: Sequence[Path]) -> str:
    """SQL query of a ledger from its Parquet files."""
    names = ", ".join(literal(str(file)) for file in files)
    return f"SELECT * FROM read_parquet([{names}])"
