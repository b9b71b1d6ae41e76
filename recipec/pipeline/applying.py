"""From an execution plan to the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recipec import dataset, planning, plugins
from recipec.database.connection import Settings
from recipec.database.disk import disk_errors
from recipec.dataset.publication import Publication
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.inputs import catalog, shards
from recipec.inputs.unchanged import Watch
from recipec.ir import logical
from recipec.ir.execution import ExecutionPlan, InputFile, Manifest, SideFile
from recipec.models.job import Device
from recipec.pipeline import opening, recorded
from recipec.places import lease, local, remote, sealed
from recipec.places.state import Store
from recipec.planning import fingerprints, reach, words
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
        remote.look_again(remote.at(one.path, folder) for one in (*plan.shards, *plan.attributes))
        watch = Watch.of((*plan.shards, *plan.attributes), folder)
        _check_fresh(plan)
        _check_content(plan, store, progress)
        limits = settings or Settings(temp=store.temporary)
        publishing = None
        if isinstance(destination, remote.Remote):
            publishing = Publication.begin(destination, store.root)
            destination = publishing.staged
        with opening.at_work(
            plan.shards,
            plan.attributes,
            folder,
            store,
            limits,
            device,
            progress,
            engine or plan.steps[0].engine,
            [destination.parent],
            watch,
        ) as place:
            manifest = _applied(place, plan, destination, publishing)
        if publishing is not None:
            publishing.publish(manifest, progress)
        return manifest


def admit(plan: ExecutionPlan, file: Path, allowed: Sequence[Path]) -> None:
    """Judges a plan that was read from a file, before anything is read or written for it.

    Args:
        allowed: the places outside of the file's folder that it may use.

    Raises:
        Failure: the plan would use another place, or its recipe calls words as they cannot be called, or its recipe's
            text says other than it does.
    """
    plugins.check(plan.recipe.plugins, ExitCode.STALE)
    reach.check(plan, file, allowed)
    words.check(plan.recipe, file)
    # With another version of a package, whose words may have other parameters, the plan is stale anyway.
    if not plugins.changes(plan.recipe.plugins):
        recorded.check(plan, file)
    _derived(plan)


def _check_fresh(plan: ExecutionPlan) -> None:
    """Raises Failure if anything has changed since the plan was made."""
    folder = Path(plan.folder)
    plugins.check(plan.recipe.plugins, ExitCode.STALE)
    changes = catalog.stale((*plan.shards, *plan.attributes), folder)
    stale = (*plugins.changes(plan.recipe.plugins), *changes)
    if stale:
        raise Failure(*(_stale(change, folder) for change in stale), exit_code=ExitCode.STALE)
    _check_steps(plan)


def _check_steps(plan: ExecutionPlan) -> None:
    """Raises Failure if a file that steps depend on besides the shards has changed."""
    folder = Path(plan.folder)
    ops = _derived(plan)
    ids = fingerprints.step_ids(ops, plan.shards, folder)
    as_joined = fingerprints.joined(ops, plan.shards, plan.attributes)
    if ids != tuple(step.id for step in plan.steps) or as_joined != (plan.shards, plan.attributes):
        raise Failure(_stale("a target, a tokenizer, a model or recipec itself", folder), exit_code=ExitCode.STALE)


def _derived(plan: ExecutionPlan) -> logical.LogicalPlan:
    """The operations of a plan's recipe: what a plan does is what its recipe says, whatever its steps say.

    Raises:
        Failure: the plan's steps are others.
    """
    ops = planning.optimise(planning.lower(plan.recipe))
    if ops.ops != tuple(step.op for step in plan.steps):
        raise Failure(_stale("its steps are not those of its recipe", Path(plan.folder)), exit_code=ExitCode.STALE)
    return ops


def _check_content(plan: ExecutionPlan, store: Store, progress: Progress) -> None:
    """Raises Failure if the files of a plan are not those that its recipe finds, or are not as the plan describes them.

    Nothing that a plan says of a file is believed, least of all its digest, by which results are stored."""
    folder = Path(plan.folder)
    named = {str(remote.at(one.path, folder)) for one in (*plan.shards, *plan.attributes)}

    def planned(globs: Sequence[str], folder: Path) -> tuple[Path, ...]:
        return tuple(path for path in shards.find(globs, folder) if str(path) in named)

    there = catalog.refresh(plan.recipe.sources, folder, store.root, progress, planned)
    beside = catalog.side_files(plan.recipe.sources, folder, store.root, progress, planned)
    found = {_key(one): one for one in (*there, *beside)}
    stale = []
    for one in (*plan.shards, *plan.attributes):
        real = found.get(_key(one))
        if real is None:
            stale.append(f"`{one.path}` is no file that the recipe's globs find")
        elif _described(one) != _described(real):
            stale.append(f"`{one.path}` is not as the plan describes it")
    if [_key(one) for one in plan.shards] != [_key(one) for one in there]:
        stale = stale or ["its shards are not those of its recipe"]
    if stale:
        raise Failure(*(_stale(change, folder) for change in stale), exit_code=ExitCode.STALE)


def _key(file: InputFile) -> tuple[str, str, int]:
    return file.source, file.path, file.number if isinstance(file, SideFile) else -1


def _described(file: InputFile) -> tuple[object, ...]:
    return file.sha256, file.bytes, file.rows, file.unreadable, file.repaired, file.schema_


def _applied(place: opening.Place, plan: ExecutionPlan, destination: Path, publishing: Publication | None) -> Manifest:
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
    if publishing is not None and (found := publishing.standing(plan, selection)) is not None:
        run.keep_rates(place.setting)
        return found
    _, write = pool.plan.one(logical.Write)

    def proven() -> None:
        place.watch.prove(place.progress)
        _check_steps(plan)

    with run.rates.timed(sum(shard.bytes for shard in plan.shards), write):
        manifest = dataset.write(
            place.connection, write, run.ledger, selection, plan, destination, place.progress, proven=proven
        )
    run.keep_rates(place.setting)
    return manifest


def _stale(change: str, folder: Path) -> Diagnostic:
    return Diagnostic("R0708", f"the plan is stale: {change}", place=str(folder), helps=("plan the recipe again",))
