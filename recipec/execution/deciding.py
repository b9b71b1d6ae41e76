"""The weights of a `Sample` of a run: prepares the input of its mixer, and calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from recipec.ir import logical, model
from recipec.ir.mixing import Decided, Earlier
from recipec.ir.selection import Selection
from recipec.planning.fingerprints import step_ids
from recipec.selection import mixing

if TYPE_CHECKING:
    from recipec.execution.pool import Pool
    from recipec.selection.kernel import Ranked


def decide(
    pool: Pool, position: int, op: logical.Sample, found: Ranked, earlier: Sequence[Selection], *, now: bool
) -> Decided:
    """The weights of the `Sample` at `position`.

    Args:
        op: the `Sample` as it is drawn; in an estimate, that of the sample of documents.
        earlier: the selections of the earlier phases.

    Raises:
        Failure: the mixer cannot decide.
    """
    stated = pool.plan.ops[position]
    assert isinstance(stated, logical.Sample)
    problem = mixing.Problem(
        op,
        found.totals,
        found,
        documents=_whole(pool),
        stated=stated,
        before=_before(pool, position, earlier),
        now=now,
    )
    return mixing.decide(problem)


def _before(pool: Pool, position: int, earlier: Sequence[Selection]) -> tuple[Earlier, ...]:
    ops = [op for op in pool.plan.ops[:position] if isinstance(op, logical.Sample)]
    return tuple(
        Earlier(op.mixture, op.tokens or 0, Decided(dict(_weights(op, one)), one.evidence, one.waiting))
        for op, one in zip(ops, earlier, strict=True)
    )


def _weights(op: logical.Sample, selection: Selection) -> tuple[tuple[str, float], ...]:
    """The weights of a selection; stated ones come from the recipe, as selections of earlier versions lack them."""
    if isinstance(op.mixture, model.Shares | model.FromFile):
        return op.mixture.weights
    return selection.weights


def _whole(pool: Pool) -> Pool:
    """The pool of all documents: even in an estimate, which draws a sample, mixers measure the whole pool."""
    if pool.sampling is None:
        return pool
    return replace(pool, ids=step_ids(pool.plan, pool.shards, pool.folder), sampling=None)
