"""From a recipe file to its execution plan, including the selection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recipec import __version__, dataset
from recipec.database.connection import Settings
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.execution import contained, estimates, forecasts, requirements
from recipec.execution.pool import Pool
from recipec.execution.run import Run
from recipec.inputs import shards
from recipec.inputs.repair import NotUtf8
from recipec.ir import model
from recipec.ir.execution import ExecutionPlan, PhasedPlan
from recipec.ir.forecast import Forecast
from recipec.ir.selection import Selection
from recipec.models.job import Device
from recipec.pipeline import opening, uses
from recipec.pipeline.compiling import Compiled, compile_recipe
from recipec.pipeline.opening import Place
from recipec.places import sealed
from recipec.planning import cautions, domains, phases, reasons, scheduler, unlike
from recipec.progress import Progress, silent
from recipec.scoring import by_text
from recipec.selection import mixing

TEXT_LIMIT = 256_000_000
"""Size of the shards in bytes up to which `plan` computes text scores instead of estimating from a sample."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Attributes:
    plans: one plan; for a recipe with phases, one per phase that can already be planned.
    waiting: why later phases cannot be planned yet; "" if there are none.
    phased: whether the recipe has phases.
    """

    plans: tuple[ExecutionPlan, ...]
    diagnostics: tuple[Diagnostic, ...]  # warnings
    waiting: str = ""
    phased: bool = False

    @property
    def plan(self) -> ExecutionPlan:
        """The plan of a recipe without phases.

        Raises:
            Failure: the recipe has phases.
        """
        if self.phased:
            helps = ("`plan`, `apply`, `show`, `diff` and `explain` know phases",)
            raise Failure(Diagnostic("R1505", "the recipe has phases, and this takes a single dataset", helps=helps))
        return self.plans[0]

    @property
    def whole(self) -> ExecutionPlan | PhasedPlan:
        """The plan as a plan file holds it."""
        return PhasedPlan(phases=self.plans, waiting=self.waiting) if self.phased else self.plans[0]


@dataclass(frozen=True, slots=True)
class Wishes:
    """Options of planning: `score` computes every score now; `limit` is the size of the shards in bytes up to which
    scores are computed anyway; `judge` is whether an unmet requirement stops the plan."""

    score: bool
    limit: int
    judge: bool


def plan(
    path: Path,
    overrides: Mapping[str, str],
    *,
    score: bool = False,
    limit: int = TEXT_LIMIT,
    judge: bool = True,
    settings: Settings | None = None,
    device: Device = "auto",
    engine: str | None = None,
    progress: Progress = silent,
) -> Planned:
    """Makes the execution plan of a recipe, including its selection.

    Args:
        score: compute every score now, so that the plan is exact however long it takes.
        limit: size of the shards in bytes up to which scores are computed anyway.
        device: where models run.
        engine: runs the tasks of steps, now and when the plan is applied.
        judge: whether an unmet requirement stops the plan.
    """
    wishes = Wishes(score, limit, judge)
    limits = settings or opening.settings(path)
    repaired: set[Path] = set()
    while True:
        try:
            return sealed.again(
                lambda: _plan(compile_recipe(path, overrides), wishes, limits, device, engine, progress)
            )
        except NotUtf8 as failure:
            if failure.path in repaired:
                raise
            repaired.add(failure.path)


def _plan(
    compiled: Compiled, wishes: Wishes, limits: Settings, device: Device, engine: str | None, progress: Progress
) -> Planned:
    with (
        opening.repairing(Path(compiled.recipe.folder)),
        opening.opened(compiled, limits, device, progress, engine) as (place, exact),
    ):
        compiled, recipe = exact, exact.recipe
        if not recipe.phases:
            one, warnings = _planned(place, recipe, wishes)
            return Planned((one,), (*compiled.diagnostics, *warnings))
        return _phased(place, recipe, wishes, compiled.diagnostics)


def _phased(place: Place, recipe: model.Recipe, wishes: Wishes, diagnostics: Sequence[Diagnostic]) -> Planned:
    """Plans the phases up to the first whose checkpoint does not exist yet."""
    plans: list[ExecutionPlan] = []
    said = list(diagnostics)
    before: list[model.Phase] = []
    waiting = ""
    for number, phase in enumerate(recipe.phases):
        part = phases.part(recipe, before)
        waiting = _lacking(part.mixture, place.folder)
        if waiting and number:
            message = f"phase {number + 1} and what follows it cannot be planned yet: {waiting}"
            span = phase.mixture.origin.span if phase.mixture.origin else None
            said.append(Diagnostic("R1504", message, span, severity=Severity.WARNING))
            break
        waiting = ""
        one, warnings = _planned(place, part, wishes)
        said += [warning for warning in warnings if warning not in said]
        plans.append(one)
        before.append(phase)
    return Planned(tuple(plans), tuple(said), waiting, phased=True)


def _lacking(mixture: model.Mixture, folder: Path) -> str:
    """Why a mixture cannot be decided yet, such as a missing checkpoint; "" if it can."""
    mixer = mixing.mixer_of(mixture)
    try:
        if mixer.identity is not None:
            mixer.identity(mixing.params_of(mixture, mixer), folder, None)
    except Failure as failure:
        return failure.diagnostics[0].message
    return ""


def _planned(place: Place, recipe: model.Recipe, wishes: Wishes) -> tuple[ExecutionPlan, tuple[Diagnostic, ...]]:
    """Makes the plan of one dataset; returns it with warnings."""
    destination = dataset.locate(place.folder, recipe.output) if recipe.output else None
    run, store = place.run(recipe, now=wishes.score), place.store
    pool = run.pool
    if recipe.before:
        # Each phase has its own memory of its last plan.
        store = replace(store, recipe=f"{store.recipe} {len(recipe.before)}")
    draft = _draft(pool, place)
    published = destination is not None and dataset.is_published(destination, dataset.plan_digest(draft))
    steps = scheduler.schedule(
        pool.plan, pool.ids, pool.reads, pool.shards, recipe.plugins, store, published, place.engine
    )
    run.read()
    with run.candidates.blaming():
        share = None if wishes.score else estimates.share(run, wishes.limit)
        documents = {} if wishes.score else pool.by_model()[0]
        if share is None:
            run.score()
            selection, sample, drawing = run.select(), "", run
        else:
            selection, sample, drawing = estimates.estimate(run, share)
    run.keep_rates(place.setting)
    steps = scheduler.timed(steps, documents, pool.by_model()[1], store, place.setting)
    opening.check_unreadable(pool, selection)
    forecast = _forecast(drawing, share, selection, judge=wishes.judge)
    # Like text scores, this reads every text, so it is skipped in the same way if there are many.
    cheap = share is None or sum(shard.bytes for shard in pool.shards) <= wishes.limit
    inside = contained.contained(pool) if cheap else ()
    about_examples = by_text.cautions(pool.plan, pool.folder)
    told = unlike.warnings(pool.plan, pool.shards)
    unmatched = [one for source in recipe.sources if (one := shards.unmatched(source, place.folder)) is not None]
    beside = unlike.unmatched(pool.connection, pool.plan, pool.shards, pool.attributes, store.root)
    passed = (*unmatched, *told, *beside, *about_examples, *inside)
    warnings = (*passed, *_warnings(recipe, selection), *requirements.warnings(recipe, forecast))
    known = reasons.remembered(pool.plan, pool.ids, pool.shards, recipe.plugins)
    store.keep_note(store.last_plan, {**known, "uses": uses.items(pool)})
    if not sample and selection.provisional:
        sample = "weights that are not decided yet"
    planned = draft.model_copy(
        update={
            "steps": steps,
            "selection": selection.model_copy(update={"evidence": None}),
            "forecast": forecast,
            "reweighting": selection.evidence,
            "exact": not sample,
            "sample": sample,
            "warnings": tuple(warning.message for warning in warnings),
        }
    )
    return planned, warnings


def _draft(pool: Pool, place: Place) -> ExecutionPlan:
    """The plan without its selection; its digest is computed from this."""
    return ExecutionPlan(
        recipec=__version__,
        recipe=pool.recipe,
        folder=str(place.folder),
        shards=pool.shards,
        attributes=pool.attributes,
        steps=scheduler.schedule(
            pool.plan, pool.ids, pool.reads, pool.shards, pool.recipe.plugins, place.store, published=False
        ),
        selection=None,
        exact=False,
    )


def _forecast(run: Run, share: float | None, selection: Selection, *, judge: bool) -> Forecast | None:
    """The forecast of the budget's law for a run's selection; with `judge`, raises Failure on an unmet requirement."""
    recipe = run.pool.recipe
    forecast = forecasts.forecast(recipe, run.pool.plan.sample, run.drawn, share=share or 1.0)
    if judge:
        requirements.check(recipe, run.drawn, selection, forecast)
    return forecast


def _warnings(recipe: model.Recipe, selection: Selection) -> Iterator[Diagnostic]:
    copies: dict[str, float] = {}
    for cell in selection.cells:
        if cell.drawn_documents:
            copies[cell.domain] = max(copies.get(cell.domain, 0.0), cell.drawn_copies / cell.drawn_documents)
    warning = domains.unlimited(recipe, copies)
    if warning:
        yield warning
    yield from cautions.warnings(recipe, selection)
    origin = recipe.mixture.origin
    span = origin.span if origin else None
    for words in selection.evidence.warnings if selection.evidence is not None else ():
        yield Diagnostic("R1307", words, span, severity=Severity.WARNING)
    if selection.waiting:
        message = f"{selection.waiting}: the plan has the weights of the pool"
        helps = ("`recipec plan RECIPE --score` measures it, and so does `apply`",)
        yield Diagnostic("R1312", message, span, helps=helps, severity=Severity.WARNING)
