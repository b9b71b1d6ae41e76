"""From an execution plan to the dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from recipec import dataset, planning, plugins
from recipec.database.connection import Settings, connect
from recipec.database.disk import disk_errors
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.execution.run import Run
from recipec.inputs import catalog
from recipec.ir import logical, model
from recipec.ir.execution import ExecutionPlan, Manifest, PhasedPlan
from recipec.models.job import Device
from recipec.pipeline import opening
from recipec.places import lease
from recipec.places.state import Store
from recipec.planning import fingerprints
from recipec.progress import Progress, silent
from recipec.scoring import by_model


def apply(
    plan: ExecutionPlan,
    *,
    settings: Settings | None = None,
    device: Device = "auto",
    progress: Progress = silent,
) -> Manifest:
    """Materialises the dataset of a plan: exactly its steps, its shards, its documents.

    Raises:
        Failure: the plan is stale, its recipe has no output, another process is at it, the disk is full, …
    """
    folder = Path(plan.folder)
    store = Store.beside(folder)
    if plan.recipe.output is None:
        helps = ('add for example `output parquet "out"`',)
        raise Failure(Diagnostic("R0709", "the recipe has no `output`, so there is nothing to apply", helps=helps))
    destination = dataset.locate(folder, plan.recipe.output)
    with disk_errors(store.root), lease.lock(store.root):
        _check_fresh(plan)
        limits = settings or Settings(temp=store.temporary)
        with (
            connect(limits) as connection,
            by_model.Scorer(connection, store.root, folder, device, limits.threads) as scorer,
        ):
            place = opening.Place(connection, scorer, plan.shards, folder, store, progress)
            return _applied(place, plan, destination)


def apply_phases(
    plan: PhasedPlan,
    *,
    settings: Settings | None = None,
    device: Device = "auto",
    progress: Progress = silent,
) -> Iterator[Manifest]:
    """Materialises the dataset of each phase, in the order of training; one that stands already is left as it is.

    Raises:
        Failure: as `apply`.
    """
    mixtures: list[model.Mixture] = []
    for one in plan.phases:
        manifest = apply(_after(one, mixtures), settings=settings, device=device, progress=progress)
        mixtures.append(manifest.recipe.mixture)
        yield manifest


def _after(plan: ExecutionPlan, mixtures: Sequence[model.Mixture]) -> ExecutionPlan:
    """The plan of a phase after others, whose mixtures influence may have decided since they were planned."""
    before = tuple(
        phase.model_copy(update={"mixture": mixture})
        for phase, mixture in zip(plan.recipe.before, mixtures, strict=True)
    )
    if before == plan.recipe.before:
        return plan
    recipe = plan.recipe.model_copy(update={"before": before})
    ops = planning.optimise(planning.lower(recipe))
    ids = fingerprints.step_ids(ops, plan.shards, Path(plan.folder))
    return plan.model_copy(update={"recipe": recipe, "steps": opening.renewed(plan.steps, ops, ids)})


def _check_fresh(plan: ExecutionPlan) -> None:
    """Raises Failure where anything changed since a plan was made."""
    folder = Path(plan.folder)
    plugins.check(plan.recipe.plugins, ExitCode.STALE)
    stale = (*plugins.changes(plan.recipe.plugins), *catalog.stale(plan.shards, folder))
    if stale:
        raise Failure(*(_stale(change) for change in stale), exit_code=ExitCode.STALE)
    ops = logical.LogicalPlan(ops=tuple(step.op for step in plan.steps))
    if fingerprints.step_ids(ops, plan.shards, folder) != tuple(step.id for step in plan.steps):
        raise Failure(_stale("a target, a tokenizer, a model or recipec itself"), exit_code=ExitCode.STALE)


def _applied(place: opening.Place, plan: ExecutionPlan, destination: Path) -> Manifest:
    ops = logical.LogicalPlan(ops=tuple(step.op for step in plan.steps))
    ids = tuple(step.id for step in plan.steps)
    run = Run(
        place.connection,
        plan.recipe,
        ops,
        ids,
        place.shards,
        place.folder,
        place.store,
        place.progress,
        scorer=place.scorer,
    )
    run, reweighting = place.weighted(run, now=True)
    run.read()
    run.score()
    selection = run.select()
    opening.check_unreadable(run.recipe, selection)
    if plan.exact and plan.selection is not None and selection.digest != plan.selection.digest:
        message = "the selection is not the one that was planned"
        raise Failure(Diagnostic("R0710", message, place=str(place.folder)))
    if reweighting is not None:
        plan = plan.model_copy(update={"recipe": run.recipe, "steps": opening.renewed(plan.steps, run.plan, run.ids)})
    write = run.plan.ops[-1]
    assert isinstance(write, logical.Write)
    with run.timed(write, sum(shard.bytes for shard in plan.shards)):
        manifest = dataset.write(place.connection, write, run.sampled(), selection, plan, destination, place.progress)
    run.keep_rates()
    return manifest


def _stale(change: str) -> Diagnostic:
    return Diagnostic("R0708", f"the plan is stale: {change}", helps=("plan the recipe again",))
