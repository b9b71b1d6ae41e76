"""The compiler as one page: load, parse, resolve, lower, optimise, index, read, score, select, schedule; and apply."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipec import __version__, influence, output, planning, probing, runtime, semantics, storage, syntax
from recipec.database import environment
from recipec.database.connection import Settings, connect
from recipec.database.disk import disk_errors
from recipec.diagnostics import Diagnostic, ExitCode, Failure, has_errors, place
from recipec.ir import logical, model
from recipec.ir.execution import ExecutionPlan, Manifest, Shard
from recipec.ir.forecast import Forecast
from recipec.ir.selection import Selection
from recipec.laws.lawfile import LawFile
from recipec.models import scoring
from recipec.models.job import Device
from recipec.planning import (
    budgets,
    contained,
    domains,
    estimates,
    fingerprints,
    index,
    reasons,
    requirements,
    scheduler,
)
from recipec.planning.store import STATE, Store
from recipec.progress import Progress, silent

TEXT_LIMIT = 256_000_000
"""Bytes of shards up to which `plan` computes text scores itself instead of estimating from a sample."""


@dataclass(frozen=True, slots=True)
class Compiled:
    recipe: model.Recipe
    diagnostics: tuple[Diagnostic, ...]  # warnings


@dataclass(frozen=True, slots=True)
class Planned:
    plan: ExecutionPlan
    diagnostics: tuple[Diagnostic, ...]  # warnings


def settings(path: Path, *, memory: str | None = None, threads: int | None = None) -> Settings:
    """Limits of the engine for a recipe or plan file; what spills goes to the state folder."""
    folder = path.parent.resolve()
    return Settings(memory=memory or "4GB", threads=threads, temp=folder / STATE / "tmp")


_default_settings = settings
"""The function by another name, for those whose parameter has its own."""


def compile_recipe(path: Path, overrides: Mapping[str, str]) -> Compiled:
    """The typed recipe of a file: reads nothing of the shards beyond their schemas.

    Raises:
        Failure: with every mistake of the file.
    """
    source = syntax.load(path)
    tree, diagnostics = syntax.parse(source)
    folder = path.parent.resolve()
    resolved = semantics.resolve(
        tree, path=str(path), folder=folder, overrides=overrides, environment=environment.Files()
    )
    if resolved.recipe is None or has_errors(diagnostics):
        raise Failure(*sorted((*diagnostics, *resolved.diagnostics), key=place))
    return Compiled(resolved.recipe, (*diagnostics, *resolved.diagnostics))


def plan(
    path: Path,
    overrides: Mapping[str, str],
    *,
    score: bool = False,
    limit: int = TEXT_LIMIT,
    judge: bool = True,
    settings: Settings | None = None,
    device: Device = "auto",
    progress: Progress = silent,
) -> Planned:
    """The execution plan of a recipe, its selection included.

    Args:
        score: compute every score now, so that the plan is exact whatever it takes.
        limit: bytes of shards up to which scores are computed anyway.
        device: where models run.
        judge: whether a requirement that is not met stops the plan.
    """
    compiled = compile_recipe(path, overrides)
    recipe = compiled.recipe
    folder = Path(recipe.folder)
    scoring.check(recipe.scores, folder)
    destination = output.locate(folder, recipe.output) if recipe.output else None
    store = Store.beside(folder, recipe.path)
    with disk_errors(store.root), storage.lock(store.root):
        shards = index.refresh(recipe.sources, folder, store.root, progress)
        ops = planning.optimise(planning.lower(recipe))
        ids = fingerprints.step_ids(ops, shards, folder)
        draft = _draft(recipe, folder, ops, ids, shards, store)
        published = destination is not None and output.is_published(destination, output.plan_digest(draft))
        steps = scheduler.schedule(ops, ids, shards, store, published)
        limits = settings or _default_settings(path)
        with (
            connect(limits) as connection,
            scoring.Scorer(connection, store.root, folder, device, limits.threads) as scorer,
        ):
            run = runtime.Run(connection, recipe, ops, ids, shards, folder, store, progress, scorer=scorer)
            run.read()
            share = None if score else estimates.share(run, limit)
            documents = {} if score else run.by_model()[0]
            if share is None:
                run.score()
                selection, sample = run.select(), ""
            else:
                selection, sample = estimates.estimate(run, share)
            run.keep_rates()
            steps = scheduler.timed(steps, documents, run.by_model()[1], store)
            _check_unreadable(recipe, selection)
            forecast = _forecast(run, share, selection, judge=judge)
            # Like the scores by text it reads every text, and like them it waits where there are many.
            cheap = share is None or sum(shard.bytes for shard in shards) <= limit
            inside = contained.contained(run) if cheap else ()
        warnings = (*inside, *_warnings(recipe, selection), *requirements.warnings(recipe, forecast))
        store.keep_note(store.last_plan, reasons.remembered(ops, ids, shards))
    planned = draft.model_copy(
        update={
            "steps": steps,
            "selection": selection,
            "forecast": forecast,
            "exact": not sample,
            "sample": sample,
            "warnings": tuple(warning.message for warning in warnings),
        }
    )
    return Planned(planned, (*compiled.diagnostics, *warnings))


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
    recipe = plan.recipe
    if recipe.output is None:
        helps = ('add for example `output parquet "out"`',)
        raise Failure(Diagnostic("R0709", "the recipe has no `output`, so there is nothing to apply", helps=helps))
    folder = Path(plan.folder)
    destination = output.locate(folder, recipe.output)
    store = Store.beside(folder)
    with disk_errors(store.root), storage.lock(store.root):
        stale = index.stale(plan.shards, folder)
        if stale:
            raise Failure(*(_stale(change) for change in stale), exit_code=ExitCode.STALE)
        ops = logical.LogicalPlan(ops=tuple(step.op for step in plan.steps))
        ids = fingerprints.step_ids(ops, plan.shards, folder)
        if ids != tuple(step.id for step in plan.steps):
            raise Failure(_stale("a target, a tokenizer, a model or recipec itself"), exit_code=ExitCode.STALE)
        limits = settings or Settings(temp=store.temporary)
        with (
            connect(limits) as connection,
            scoring.Scorer(connection, store.root, folder, device, limits.threads) as scorer,
        ):
            run = runtime.Run(connection, recipe, ops, ids, plan.shards, folder, store, progress, scorer=scorer)
            run.read()
            run.score()
            selection = run.select()
            _check_unreadable(recipe, selection)
            if plan.exact and plan.selection is not None and selection.digest != plan.selection.digest:
                raise Failure(Diagnostic("R0710", "the selection is not the one that was planned", place=str(folder)))
            write = ops.ops[-1]
            assert isinstance(write, logical.Write)
            with run.timed(write, sum(shard.bytes for shard in plan.shards)):
                manifest = output.write(connection, write, run.sampled(), selection, plan, destination, progress)
            run.keep_rates()
    return manifest


def probe(
    path: Path,
    overrides: Mapping[str, str],
    *,
    documents: int,
    deactivate: bool = False,
    settings: Settings | None = None,
    device: Device = "auto",
    progress: Progress = silent,
) -> probing.Probe:
    """Probes the targets of a recipe against a keyed sample of so many documents of its pool.

    Args:
        deactivate: also zero each target's neurons, and see what that does to the loss on its examples.
    """
    with _before_models(path, overrides, settings, device, progress) as run:
        assert run.scorer is not None
        return probing.probe(run, run.scorer, documents, deactivate)


def measure_influence(
    path: Path,
    overrides: Mapping[str, str],
    chosen: influence.Options,
    *,
    settings: Settings | None = None,
    device: Device = "auto",
    progress: Progress = silent,
) -> tuple[influence.Measured, model.Recipe]:
    """The influence of a recipe's domains on its targets at a checkpoint, and the recipe."""
    with _before_models(path, overrides, settings, device, progress) as run:
        assert run.scorer is not None
        return influence.measure(run, run.scorer, chosen), run.recipe


@contextlib.contextmanager
def _before_models(
    path: Path, overrides: Mapping[str, str], settings: Settings | None, device: Device, progress: Progress
) -> Iterator[runtime.Run]:
    """A run of a recipe that has read everything and scored what needs no model."""
    recipe = compile_recipe(path, overrides).recipe
    folder = Path(recipe.folder)
    scoring.check(recipe.scores, folder)
    store = Store.beside(folder, recipe.path)
    with disk_errors(store.root), storage.lock(store.root):
        shards = index.refresh(recipe.sources, folder, store.root, progress)
        ops = planning.optimise(planning.lower(recipe))
        ids = fingerprints.step_ids(ops, shards, folder)
        limits = settings or _default_settings(path)
        with (
            connect(limits) as connection,
            scoring.Scorer(connection, store.root, folder, device, limits.threads) as scorer,
        ):
            run = runtime.Run(connection, recipe, ops, ids, shards, folder, store, progress, scorer=scorer)
            run.read()
            run.score(models=False)
            yield run


def forecasts(
    plan: ExecutionPlan,
    file: LawFile,
    path: str,
    *,
    params: Sequence[float],
    tokens: Sequence[float],
    settings: Settings | None = None,
) -> list[Forecast | Failure]:
    """What a law says of an exact plan, at several sizes of model or several budgets.

    Args:
        path: of the law, as shown.
        params: the sizes; of one where `tokens` has several.
        tokens: the budgets, or () for the plan's own.

    Raises:
        Failure: the plan is an estimate, or its stored ledger is gone.
    """
    ledger = stored_sample(plan)
    if ledger is None:
        message = "the plan is an estimate, and a prediction at other sizes or budgets needs an exact one"
        raise Failure(Diagnostic("R1206", message, helps=("run `recipec plan RECIPE --score` first",)))
    store = Store.beside(Path(plan.folder))
    op = next(step.op for step in plan.steps if isinstance(step.op, logical.Sample))
    ranked = store.result(next(step.id for step in plan.steps if step.op.kind == "rank"))
    with disk_errors(store.root), storage.lock(store.root), connect(settings or Settings(temp=store.temporary)) as at:
        if tokens:
            scratch = ledger.with_name("predicted.parquet")
            return budgets.over_budgets(at, op, ranked, scratch, file, path, params[0], tokens)
        results = budgets.judged(at, op, ledger, file, path, params)
        nothing = Failure(Diagnostic("R1211", "the plan draws nothing, so no law can judge it"))
        return [result or nothing for result in results]


def stored_sample(plan: ExecutionPlan) -> Path | None:
    """The stored ledger of an exact plan, if it is still there."""
    store = Store.beside(Path(plan.folder))
    step = next(step for step in plan.steps if step.op.kind == "sample")
    return store.result(step.id) if plan.exact and store.has_result(step.id) else None


def _draft(
    recipe: model.Recipe,
    folder: Path,
    ops: logical.LogicalPlan,
    ids: Sequence[str],
    shards: tuple[Shard, ...],
    store: Store,
) -> ExecutionPlan:
    """The plan without its selection, which is what its digest is of."""
    return ExecutionPlan(
        recipec=__version__,
        recipe=recipe,
        folder=str(folder),
        shards=shards,
        steps=scheduler.schedule(ops, ids, shards, store, published=False),
        selection=None,
        exact=False,
    )


def _forecast(run: runtime.Run, share: float | None, selection: Selection, *, judge: bool) -> Forecast | None:
    """What the budget's law says of a run's selection; stops where it does not meet the requirements."""
    ledger = run.sampled() if share is None else estimates.sampled(run, share)
    op = next(op for op in run.plan.ops if isinstance(op, logical.Sample))
    forecast = budgets.forecast(run.connection, run.recipe, op, ledger, share=share or 1.0)
    if judge:
        requirements.check(run.connection, run.recipe, ledger, selection, forecast)
    return forecast


def _check_unreadable(recipe: model.Recipe, selection: Selection) -> None:
    bad = [reason for reason in selection.reasons if reason.reason == "unreadable"]
    total = sum(reason.documents for reason in bad)
    if total > recipe.allow_bad * selection.candidates:
        why = ", ".join(f"{reason.documents:,} × {reason.rejected_by}" for reason in bad if reason.rejected_by)
        raise Failure(
            Diagnostic(
                "R0322",
                f"{total:,} of {selection.candidates:,} rows are unreadable, more than the {recipe.allow_bad:.3g} "
                f"that the recipe allows" + (f": {why}" if why else ""),
                helps=(f"mend the shards, or `allow bad {_enough(total / selection.candidates)}`",),
            )
        )


def _enough(share: float) -> str:
    """A percentage that is at least `share`, with two digits."""
    percent = share * 100
    return f"{min(100.0, float(f'{percent * 1.05:.2g}')):g}%"


def _warnings(recipe: model.Recipe, selection: Selection) -> tuple[Diagnostic, ...]:
    most = max(
        (cell.drawn_copies / cell.drawn_documents for cell in selection.cells if cell.drawn_documents), default=0
    )
    warning = domains.unlimited(recipe, most)
    return (warning,) if warning else ()


def _stale(change: str) -> Diagnostic:
    return Diagnostic("R0708", f"the plan is stale: {change}", helps=("plan the recipe again",))
