"""The weights of a `Sample` of a run: what its mixer may know, and its decision."""

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
    from recipec.execution.run import Run


def decide(
    run: Run, position: int, op: logical.Sample, found: mixing.Candidates, earlier: Sequence[Selection]
) -> Decided:
    """The weights of the `Sample` at `position`.

    Args:
        op: it as it is drawn, in an estimate that of a sample.
        earlier: the selections of the phases before it.

    Raises:
        Failure: its mixer cannot decide.
    """
    stated = run.plan.ops[position]
    assert isinstance(stated, logical.Sample)
    problem = mixing.Problem(
        op,
        found.pools,
        found,
        run=_whole(run),
        stated=stated,
        before=_before(run, position, earlier),
        now=run.now,
    )
    return mixing.decide(problem)


def _before(run: Run, position: int, earlier: Sequence[Selection]) -> tuple[Earlier, ...]:
    ops = [op for op in run.plan.ops[:position] if isinstance(op, logical.Sample)]
    return tuple(
        Earlier(op.mixture, op.tokens or 0, Decided(dict(_weights(op, one)), one.evidence, one.waiting))
        for op, one in zip(ops, earlier, strict=True)
    )


def _weights(op: logical.Sample, selection: Selection) -> tuple[tuple[str, float], ...]:
    """What a recipe states it states: selections that earlier versions stored do not tell their weights."""
    if isinstance(op.mixture, model.Shares | model.FromFile):
        return op.mixture.weights
    return selection.weights


def _whole(run: Run) -> Run:
    """The run of all documents: an estimate draws a sample, and mixers measure the whole pool all the same."""
    if run.sampling is None:
        return run
    return replace(run, ids=step_ids(run.plan, run.shards, run.folder), sampling=None)
