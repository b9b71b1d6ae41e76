"""`schedule`: which results are stored, which steps must run and why, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from recipec import spec
from recipec.ir import logical
from recipec.ir.execution import LOCAL, Cost, Estimate, Shard, Step
from recipec.ir.model import Plugin
from recipec.places.state import Store
from recipec.planning import reasons
from recipec.planning.fingerprints import inputs

RATES = "rates"
"""The note with seconds per unit of work measured in the last run, by kind of step."""

ASSUMED: Mapping[str, float] = {
    "model": 0.15,
    "read": 2e-7,
    "gather": 4e-7,
    "rank": 1e-6,
    "sample": 1e-6,
    "write": 8e-9,
}
"""Assumed seconds per row (write: per byte; model: per text), until measured here."""

Action = Literal["run", "partial", "reuse"]


def schedule(
    plan: logical.LogicalPlan,
    ids: Sequence[str],
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
    rates = store.note(RATES)
    steps: list[Step] = []
    for position, op in enumerate(plan.ops):
        action, missing = _action(plan, position, ids, shards, store, steps, published)
        steps.append(
            Step(
                id=ids[position],
                op=op,
                inputs=tuple(ids[other] for other in inputs(op)),
                action=action,
                reason="" if action == "reuse" else reasons.reason(plan, position, ids, shards, plugins, store),
                cost=_cost(op, missing, rates if isinstance(rates, dict) else {}),
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
        missing = store.missing(ids[position], mine)
        return ("reuse" if not missing else "run" if len(missing) == len(mine) else "partial"), missing
    if isinstance(op, logical.Filter):
        # Evaluated within the steps around it, so it runs when they do.
        return steps[op.input].action, ()
    stored = published if isinstance(op, logical.Write) else store.has_result(ids[position])
    return ("reuse", ()) if stored else ("run", shards)


def _cost(op: logical.Op, shards: Sequence[Shard], rates: Mapping[str, object]) -> Cost:
    """The cost of a step: rows and bytes of the shards, and time from rates, measured ones if available."""
    rows, size = sum(shard.rows for shard in shards), sum(shard.bytes for shard in shards)
    key = rate_key(op)
    measured = rates.get(key)
    if isinstance(op, logical.Score):
        assumed = spec.find("criteria", op.call.function).cost / 1e6
    else:
        assumed = ASSUMED.get(op.kind, 0.0)
    rate = float(measured) if isinstance(measured, int | float) else assumed
    work = size if isinstance(op, logical.Score | logical.Write) else rows
    basis = "measured in the last run" if isinstance(measured, int | float) else "assumed rate"
    whole = isinstance(op, logical.Read)
    return Cost(
        rows=Estimate(value=rows, basis="exact" if whole else "rows of the shards"),
        bytes=Estimate(value=size, basis="exact" if whole else "bytes of the shards"),
        seconds=Estimate(value=rate * work, basis=basis),
    )


def timed(
    steps: Sequence[Step], documents: Mapping[int, int], observed: Mapping[int, Observed], store: Store
) -> tuple[Step, ...]:
    """The steps, with the costs of those that run models estimated from a sample of documents.

    Args:
        documents: by position, the number of texts that a model must still process.
        observed: by position, facts about stored features.
    """
    rates = store.note(RATES)
    result = list(steps)
    for position, count in documents.items():
        step, seen = steps[position], observed[position]
        measured = rates.get(rate_key(step.op)) if isinstance(rates, dict) else None
        rate, basis = ASSUMED["model"], "assumed rate"
        if isinstance(measured, int | float):
            rate, basis = float(measured), "measured on documents of this recipe"
        cost = Cost(
            rows=Estimate(value=count, basis="exact" if seen.exact else "rows of the shards"),
            bytes=Estimate(value=count * seen.bytes, basis="bytes of stored features"),
            seconds=Estimate(value=rate * count, basis=basis),
            device="cpu" if seen.device in ("cpu", "") else "cuda",
        )
        result[position] = step.model_copy(update={"cost": cost})
    return tuple(result)


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


def rate_key(op: logical.Op) -> str:
    return f"score {op.call.name}" if isinstance(op, logical.Score) else op.kind


def keep_rates(store: Store, measured: Mapping[str, float]) -> None:
    """Stores seconds per unit of work for the next plan."""
    before = store.note(RATES)
    store.keep_note(RATES, {**(before if isinstance(before, dict) else {}), **measured})
