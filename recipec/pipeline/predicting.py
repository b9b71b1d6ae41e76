"""Predictions of laws for plans at other model sizes and budgets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from recipec.database import sql
from recipec.database.connection import Settings
from recipec.database.disk import disk_errors
from recipec.diagnostics import Diagnostic, Failure
from recipec.execution import forecasts as judging
from recipec.execution.run import Run
from recipec.ir.execution import ExecutionPlan
from recipec.ir.forecast import Forecast
from recipec.ir.logical import LogicalPlan
from recipec.ir.mixing import Decided
from recipec.laws.lawfile import LawFile
from recipec.pipeline import opening
from recipec.places import lease, sealed
from recipec.places.state import Store
from recipec.progress import silent
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
        Failure: the plan is an estimate, or what it rests on is no longer stored.
    """
    if not is_stored(plan):
        message = "the plan is an estimate, and a prediction at other sizes or budgets needs an exact one"
        raise Failure(Diagnostic("R1206", message, helps=("run `recipec plan RECIPE --score` first",)))
    with _run_of(plan, settings) as run:
        op = run.pool.plan.sample
        if tokens:
            measured = None
            if mixing.mixer_of(op.mixture).measures and plan.selection is not None:
                measured = Decided(dict(plan.selection.weights))
            return judging.over_budgets(op, run.ranked(), file, path, params[0], tokens, measured)
        results = judging.judged(op, run.drawn(), file, path, params)
        nothing = Failure(Diagnostic("R1211", "the plan draws nothing, so no law can judge it"))
        return [result or nothing for result in results]


def decided(plan: ExecutionPlan, settings: Settings | None = None) -> Path | None:
    """The ledger's rows of an exact plan as a Parquet file, which is made the first time; None if the plan is an
    estimate, or what it rests on is no longer stored."""
    if not is_stored(plan):
        return None
    store = Store.beside(Path(plan.folder))
    path = store.result(plan.steps[_ops(plan).end].id)
    if not sealed.is_whole(path):
        with _run_of(plan, settings) as run, sealed.replacing(path) as temporary:
            run.pool.connection.execute(f"COPY ({run.ledger()}) TO {sql.file(temporary)} (FORMAT parquet)")
    return path


def is_stored(plan: ExecutionPlan) -> bool:
    """Whether a plan is exact, and the results that its selection rests on are stored."""
    store = Store.beside(Path(plan.folder))
    return plan.exact and all(store.has_result(step.id) for step in plan.steps if step.op.kind in ("gather", "sample"))


def _ops(plan: ExecutionPlan) -> LogicalPlan:
    return LogicalPlan(ops=tuple(step.op for step in plan.steps))


@contextlib.contextmanager
def _run_of(plan: ExecutionPlan, settings: Settings | None) -> Iterator[Run]:
    """A run of a plan whose results are stored."""
    folder = Path(plan.folder)
    store = Store.beside(folder)
    limits = settings or Settings(temp=store.temporary)
    with (
        disk_errors(store.root),
        lease.lock(store.root),
        opening.at_work(plan.shards, plan.attributes, folder, store, limits, "cpu", silent, None) as place,
    ):
        run = place.run_of(plan.recipe, _ops(plan), tuple(step.id for step in plan.steps), now=False)
        # What turned out to be damaged is made again; the rest is there.
        run.read()
        run.score()
        yield run
