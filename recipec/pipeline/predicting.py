"""Predictions of laws for plans at other model sizes and budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recipec.database.connection import Settings, connect
from recipec.database.disk import disk_errors
from recipec.diagnostics import Diagnostic, Failure
from recipec.execution import forecasts as judging
from recipec.ir.execution import ExecutionPlan
from recipec.ir.forecast import Forecast
from recipec.ir.logical import LogicalPlan
from recipec.ir.mixing import Decided
from recipec.laws.lawfile import LawFile
from recipec.places import lease
from recipec.places.state import Store
from recipec.selection import mixing


def forecasts(
    plan: ExecutionPlan,
    file: LawFile,
    path: str,
    *,
    params: Sequence[float],
    tokens: Sequence[float],
    settings: Settings | None = None,
) -> list[Forecast | Failure]:
    """A law's forecasts for an exact plan, at several model sizes or several budgets.

    Args:
        path: the law's path, as shown.
        params: the model sizes; only one if `tokens` has several values.
        tokens: the budgets, or () for the plan's own.

    Raises:
        Failure: the plan is an estimate, or its stored ledger no longer exists.
    """
    ledger = stored_sample(plan)
    if ledger is None:
        message = "the plan is an estimate, and a prediction at other sizes or budgets needs an exact one"
        raise Failure(Diagnostic("R1206", message, helps=("run `recipec plan RECIPE --score` first",)))
    store = Store.beside(Path(plan.folder))
    op = LogicalPlan(ops=tuple(step.op for step in plan.steps)).sample
    ranked = store.result(next(step.id for step in plan.steps if step.op.kind == "rank"))
    with disk_errors(store.root), lease.lock(store.root), connect(settings or Settings(temp=store.temporary)) as at:
        if tokens:
            scratch = ledger.with_name("predicted.parquet")
            measured = None
            if mixing.mixer_of(op.mixture).measures and plan.selection is not None:
                measured = Decided(dict(plan.selection.weights))
            return judging.over_budgets(at, op, ranked, scratch, file, path, params[0], tokens, measured)
        results = judging.judged(at, op, ledger, file, path, params)
        nothing = Failure(Diagnostic("R1211", "the plan draws nothing, so no law can judge it"))
        return [result or nothing for result in results]


def stored_sample(plan: ExecutionPlan) -> Path | None:
    """The stored ledger of an exact plan, or None if it no longer exists."""
    store = Store.beside(Path(plan.folder))
    step = plan.steps[LogicalPlan(ops=tuple(step.op for step in plan.steps)).end]
    return store.result(step.id) if plan.exact and store.has_result(step.id) else None
