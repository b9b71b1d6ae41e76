"""Finds targets whose examples are all documents of the pool, and thus most similar to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import RootModel

from recipec.diagnostics import Diagnostic, Severity
from recipec.inputs import scans, targets
from recipec.ir import closed, logical, model
from recipec.places import digests
from recipec.planning.scheduler import source_of

if TYPE_CHECKING:
    from recipec.execution.pool import Pool


class Inside(RootModel[closed.Count]):
    """The stored number of examples that are documents of the pool."""


def contained(pool: Pool) -> tuple[Diagnostic, ...]:
    """A warning for each target of a model score that is entirely inside the pool after the text filters.

    Reads every text once, and stores the answer. The text scores must exist.
    """
    found = []
    for target, positions, examples in _examples(pool):
        step = _id(pool, positions, examples)
        if not pool.store.has_result(step):
            pool.store.keep_facts(step, _inside(pool, positions, examples))
        if examples and pool.store.facts(step, Inside).root == len(examples):
            found.append(_warning(target, len(examples)))
    return tuple(found)


def answers(pool: Pool) -> Iterator[str]:
    """The identities of the stored answers."""
    return (_id(pool, positions, examples) for _, positions, examples in _examples(pool))


def _id(pool: Pool, positions: list[int], examples: list[str]) -> str:
    return digests.sha256_text(f"contained {examples} of {sorted(pool.ids[p] for p in positions)}")[:32]


def _examples(pool: Pool) -> Iterator[tuple[model.Target, list[int], list[str]]]:
    """The targets of model scores, the first of these per source, and the texts of their examples."""
    for name, positions in _by_target(pool).items():
        target = next(target for target in pool.recipe.targets if target.name == name)
        used, held = targets.texts(target, pool.folder)
        yield target, positions, sorted({text.strip() for text in (*used, *held)})


def _by_target(pool: Pool) -> dict[str, list[int]]:
    """For each target, the first model score of each source that it scores."""
    first: dict[str, int] = {}
    groups: dict[str, list[int]] = {}
    for position, op in enumerate(pool.plan.ops):
        if isinstance(op, logical.Score) and pool.is_by_model(position):
            mine = first.setdefault(op.source.name, position)
            if op.target is not None and mine not in groups.setdefault(op.target.name, []):
                groups[op.target.name].append(mine)
    return groups


def _inside(pool: Pool, positions: list[int], examples: list[str]) -> int:
    """The number of examples that are documents processed by a score."""
    pool.connection.execute(
        "CREATE OR REPLACE TEMP TABLE outside AS SELECT unnest($1 :: VARCHAR[]) AS example", [examples]
    )
    for position in positions:
        read = source_of(pool.plan, position)
        mine = pool.shards_of(position)
        for number, shard in enumerate(mine):
            pool.progress("look for targets in the pool", number, len(mine), "shards")
            texts = scans.texts(read.source, shard, pool.folder)
            pool.connection.execute(
                f"DELETE FROM outside WHERE example IN (SELECT trim(text, $1) FROM {texts} AS scanned "
                f"JOIN {pool.survivors(position, shard)} AS survivors ON survivors.row = __row)",
                [SPACE],
            )
    return len(examples) - int(pool.connection.execute("SELECT count(*) FROM outside").fetchall()[0][0])


SPACE = " \t\r\n\v\f"


def _warning(target: model.Target, count: int) -> Diagnostic:
    message = f"all {count:,} examples of target `{target.name}` are documents of the pool"
    helps = (
        "they are closest to themselves and will be selected first; `where not overlaps(…)` removes them",
        "examples from outside the pool better describe what it should be like",
    )
    return Diagnostic("R1109", message, target.origin.span, helps=helps, severity=Severity.WARNING)
