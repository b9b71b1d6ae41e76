"""`schedule`: which results are stored, which steps must run and why, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from recipec.ir import logical
from recipec.ir.execution import LOCAL, Cost, Estimate, Shard, Step
from recipec.ir.model import Plugin
from recipec.places.state import Store
from recipec.planning import costs, rates, reasons
from recipec.planning.costs import Setting
from recipec.planning.fingerprints import Reads, columns_id, inputs

Action = Literal["run", "partial", "reuse"]


def schedule(
    plan: logical.LogicalPlan,
    ids: Sequence[str],
    reads: Reads,
    shards: Sequence[Shard],
    plugins: Sequence[Plugin],
    store: Store,
    published: bool,
    engine: str = LOCAL,
) -> tuple[Step, ...]:
    """The steps of a plan, taking stored results into account.

    Args:
        plugins: the packages whose words the recipe uses.
        published: whether the dataset of this plan is already at its destination.
        engine: the engine that runs the tasks of the steps.
    """
    steps: list[Step] = []
    for position, op in enumerate(plan.ops):
        action, missing = _action(plan, position, ids, reads, shards, store, steps, published)
        steps.append(
            Step(
                id=ids[position],
                op=op,
                inputs=tuple(ids[other] for other in inputs(op)),
                action=action,
                reason="" if action == "reuse" else reasons.reason(plan, position, ids, shards, plugins, store),
                cost=_cost(op, missing),
                engine=engine,
            )
        )
    return tuple(steps)


def source_of(plan: logical.LogicalPlan, position: int) -> logical.Read:
    """The `Read` at the start of a step's chain."""
    op = plan.ops[position]
    while not isinstance(op, logical.Read):
        op = plan.ops[inputs(op)[0]]
    return op


def _action(
    plan: logical.LogicalPlan,
    position: int,
    ids: Sequence[str],
    reads: Reads,
    shards: Sequence[Shard],
    store: Store,
    steps: Sequence[Step],
    published: bool,
) -> tuple[Action, Sequence[Shard]]:
    """The action for a step, and the shards for which it must run."""
    op = plan.ops[position]
    if isinstance(op, logical.Read | logical.Score):
        name = source_of(plan, position).source.name
        mine = [shard for shard in shards if shard.source == name]
        if isinstance(op, logical.Read):
            missing = _unread(plan, position, ids, reads, mine, shards, store)
        else:
            missing = store.missing(ids[position], mine)
        return ("reuse" if not missing else "run" if len(missing) == len(mine) else "partial"), missing
    if isinstance(op, logical.Filter):
        # Evaluated within the steps around it, so it runs when they do.
        return steps[op.input].action, ()
    stored = published if isinstance(op, logical.Write) else store.has_result(ids[position])
    return ("reuse", ()) if stored else ("run", shards)


def _unread(
    plan: logical.LogicalPlan,
    position: int,
    ids: Sequence[str],
    reads: Reads,
    mine: Sequence[Shard],
    shards: Sequence[Shard],
    store: Store,
) -> tuple[Shard, ...]:
    """The shards of a read without a result. Those that are read directly have theirs in the columns of the pool."""
    direct = {shard.path for shard in mine if (shard.source, shard.path) in reads.direct}
    stored = [shard for shard in mine if shard.path not in direct]
    missing = {shard.path for shard in store.missing(reads.ids[position], stored)}
    if direct and not store.has_result(columns_id(plan, ids, reads.ids, shards)):
        missing |= direct
    return tuple(shard for shard in mine if shard.path in missing)


def _cost(op: logical.Op, shards: Sequence[Shard]) -> Cost:
    """The cost of a step: rows and bytes of the shards, and time as if none was ever measured (see `timed`)."""
    rows, size = sum(shard.rows for shard in shards), sum(shard.bytes for shard in shards)
    whole = isinstance(op, logical.Read)
    work = costs.work(op, rows, size)
    return Cost(
        rows=Estimate(value=rows, basis="exact" if whole else "rows of the shards"),
        bytes=Estimate(value=size, basis="exact" if whole else "bytes of the shards"),
        seconds=Estimate(value=costs.assumed(op).seconds(work) if work else 0.0, basis="assumed rate"),
    )


def timed(
    steps: Sequence[Step],
    documents: Mapping[int, int],
    observed: Mapping[int, Observed],
    store: Store,
    setting: Setting,
) -> tuple[Step, ...]:
    """The steps with their times as estimated from earlier runs, and from what this run has measured and stored.

    Args:
        documents: by position, the number of texts that a model must still process.
        observed: by position, facts about stored features.
    """
    histories = rates.load(store)
    result: list[Step] = []
    for position, step in enumerate(steps):
        cost, measured = step.cost, "measured in earlier runs"
        if position in documents:
            cost, measured = (
                _by_model(cost, documents[position], observed[position]),
                "measured on documents of this recipe",
            )
        work = costs.work(step.op, cost.rows.value, cost.bytes.value)
        seconds = costs.estimate(step.op, work, histories, setting, measured)
        result.append(step.model_copy(update={"cost": cost.model_copy(update={"seconds": seconds})}))
    return tuple(result)


def _by_model(cost: Cost, count: int, seen: Observed) -> Cost:
    """The cost of a score by a model for the texts that still need it."""
    changed = {
        "rows": Estimate(value=count, basis="exact" if seen.exact else "rows of the shards"),
        "bytes": Estimate(value=count * seen.bytes, basis="bytes of stored features"),
        "device": "cpu" if seen.device in ("cpu", "") else "cuda",
    }
    return cost.model_copy(update=changed)


@dataclass(frozen=True, slots=True)
class Observed:
    """Facts about the stored features of a score.

    Attributes:
        bytes: bytes per document.
        device: the device that computed them; "" if there are none yet.
        exact: whether it is known which documents lack them.
    """

    bytes: float
    device: str
    exact: bool
