"""From an execution plan to the dataset."""

from __future__ import annotations

from pathlib import Path

from recipec import dataset, plugins
from recipec.database.connection import Settings
from recipec.database.disk import disk_errors
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.inputs import catalog
from recipec.ir import logical
from recipec.ir.execution import ExecutionPlan, Manifest
from recipec.models.job import Device
from recipec.pipeline import opening
from recipec.places import lease, local, sealed
from recipec.places.state import Store
from recipec.planning import fingerprints
from recipec.progress import Progress, silent


def apply(
    plan: ExecutionPlan,
    *,
    settings: Settings | None = None,
    device: Device = "auto",
    engine: str | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Writes the dataset of a plan, with exactly its steps, shards and documents, and returns its manifest.

    Args:
        engine: replaces the engine that the plan was made for.

    Raises:
        Failure: the plan is stale, its recipe has no output, another process holds the lock, the disk is full, …
    """
    return sealed.again(lambda: _apply(plan, settings, device, engine, progress))


def _apply(
    plan: ExecutionPlan, settings: Settings | None, device: Device, engine: str | None, progress: Progress
) -> Manifest:
    folder = Path(plan.folder)
    store = Store.beside(folder)
    if plan.recipe.output is None:
        helps = ('add for example `output parquet "out"`',)
        raise Failure(Diagnostic("R0709", "the recipe has no `output`, so there is nothing to apply", helps=helps))
    if not local.is_folder(folder):
        helps = ("a plan file is applied where its recipe's folder is: plan the recipe again",)
        raise Failure(
            Diagnostic("R0708", "the folder of the plan's recipe is gone", place=str(folder), helps=helps),
            exit_code=ExitCode.STALE,
        )
    destination = dataset.locate(folder, plan.recipe.output)
    with opening.repairing(folder), disk_errors(store.root), lease.lock(store.root):
        _check_fresh(plan)
        limits = settings or Settings(temp=store.temporary)
        with opening.at_work(
            plan.shards, plan.attributes, folder, store, limits, device, progress, engine or plan.steps[0].engine
        ) as place:
            return _applied(place, plan, destination)


def _check_fresh(plan: ExecutionPlan) -> None:
    """Raises Failure if anything has changed since the plan was made."""
    folder = Path(plan.folder)
    plugins.check(plan.recipe.plugins, ExitCode.STALE)
    changes = catalog.stale((*plan.shards, *plan.attributes), folder)
    stale = (*plugins.changes(plan.recipe.plugins), *changes)
    if stale:
        raise Failure(*(_stale(change, folder) for change in stale), exit_code=ExitCode.STALE)
    ops = logical.LogicalPlan(ops=tuple(step.op for step in plan.steps))
    ids = fingerprints.step_ids(ops, plan.shards, folder)
    as_joined = fingerprints.joined(ops, plan.shards, plan.attributes)
    if ids != tuple(step.id for step in plan.steps) or as_joined != (plan.shards, plan.attributes):
        raise Failure(_stale("a target, a tokenizer, a model or recipec itself", folder), exit_code=ExitCode.STALE)


def _applied(place: opening.Place, plan: ExecutionPlan, destination: Path) -> Manifest:
    ops = logical.LogicalPlan(ops=tuple(step.op for step in plan.steps))
    ids = tuple(step.id for step in plan.steps)
    run = place.run_of(plan.recipe, ops, ids, now=True)
    pool = run.pool
    run.read()
    run.score()
    selection = run.select().model_copy(update={"evidence": None})
    opening.check_unreadable(pool, selection)
    if plan.exact and plan.selection is not None and selection.digest != plan.selection.digest:
        message = "the selection is not the one that was planned"
        raise Failure(Diagnostic("R0710", message, place=str(place.folder)))
    _, write = pool.plan.one(logical.Write)
    with run.rates.timed(sum(shard.bytes for shard in plan.shards), write):
        manifest = dataset.write(place.connection, write, run.ledger, selection, plan, destination, place.progress)
    run.keep_rates(place.setting)
    return manifest


def _stale(change: str, folder: Path) -> Diagnostic:
    return Diagnostic("R0708", f"the plan is stale: {change}", place=str(folder), helps=("plan the recipe again",))
