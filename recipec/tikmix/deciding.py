"""`mixture tikmix(…)` of a recipe: the weights, from a measurement that is there or is made now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec import spec
from recipec.database.tables import Array
from recipec.diagnostics import Diagnostic, Failure, Label
from recipec.ir import model
from recipec.ir.reweighting import Reweighting
from recipec.models import cache
from recipec.tikmix import answering, inputs, lookahead, modelled, proposing, solver, weighing
from recipec.tikmix.measurement import Measured, Options, measure, stored
from recipec.tikmix.problem import Problem
from recipec.tikmix.report import Report
from recipec.tikmix.solver import Infeasible

if TYPE_CHECKING:
    from recipec.execution.run import Run


def is_waiting(mixture: model.Mixture) -> bool:
    """Whether influence is to decide a mixture, and is not measured yet."""
    return mixture.kind == "tikmix" and not mixture.weights


def lacking(mixture: model.Mixture, folder: Path) -> str:
    """Why the checkpoint at which a mixture is decided cannot be read; "" where it can, or there is none."""
    if mixture.kind != "tikmix":
        return ""
    try:
        cache.find(mixture.params["checkpoint"], folder)
    except Failure as failure:
        return failure.diagnostics[0].message
    return ""


def decide(run: Run, *, now: bool) -> tuple[model.Mixture, Reweighting | None]:
    """The mixture of a run's recipe with the weights that influence gives it. Without a measurement it stays as it is.

    Args:
        now: measure where nothing is stored; everything that needs no model is read and scored for it.

    Raises:
        Failure: the checkpoint cannot be read, a domain has too little text, the bounds leave no weights, or the ranking
            is within noise and the recipe refuses that.
    """
    mixture = run.pool.recipe.mixture
    params = spec.find("mixers", mixture.kind).params.model_validate(mixture.params)
    cache.find(params.checkpoint, run.pool.folder, mixture.origin.span if mixture.origin else None)
    options = _options(params)
    measured = stored(run.pool, options)
    if measured is None and now:
        run.read()
        run.score(models=False)
        measured = measure(run.pool, options)
    if measured is None:
        return mixture, None
    _check_noise(measured, run.pool.recipe, params)
    problem = weighing.problem(measured, run.pool.recipe, within=params.prior == "quotas", drawn=_drawn(run))
    problem = inputs.weighted(problem, params.alpha, params.beta, params.gamma)
    with _placed(run.pool.recipe):
        labelled = None
        if params.method == "model":
            labelled = _labelled(run, problem, params, now=now)
            if labelled is None:
                return mixture, None
        report = answering.answer(problem, params.method, labelled)
    found = proposing.record(_smoothed(report, run.pool.recipe.before, params.window), measured, run.pool.recipe)
    weights = tuple(zip(found.domains, found.weights, strict=True))
    return mixture.model_copy(update={"weights": weights}), found


def _labelled(run: Run, problem: Problem, params: Any, *, now: bool) -> tuple[Array, Array] | None:
    """Mixtures around the direct answer with what each gains; None where they are not trained yet."""
    mixtures = modelled.candidates(problem, solver.solve(problem).weights, params.candidates)
    if params.label == "influence":
        return mixtures, modelled.influence_labels(problem, mixtures)
    ahead = lookahead.Ahead(checkpoint=params.checkpoint, tokens=params.ahead, length=params.length, rate=params.rate)
    targets = [target for target in run.pool.recipe.targets if target.name in problem.tasks]
    return lookahead.labels(run, ahead, targets, problem.domains, mixtures, now=now)


def _drawn(run: Run) -> dict[str, float]:
    """Tokens of each domain that phases before a run's recipe ask for."""
    found: dict[str, float] = {}
    for phase in run.pool.recipe.before:
        for domain, weight in phase.mixture.weights:
            found[domain] = found.get(domain, 0.0) + weight * phase.tokens
    return found


def _check_noise(measured: Measured, recipe: model.Recipe, params: Any) -> None:
    noise = weighing.noise(measured)
    if noise and params.noise == "refuse":
        origin = recipe.mixture.origin
        helps = ("more `tokens`, or `noise: warn`",)
        raise Failure(*(Diagnostic("R1311", words, origin.span if origin else None, helps=helps) for words in noise))


@contextlib.contextmanager
def _placed(recipe: model.Recipe) -> Iterator[None]:
    """Shows a problem that has no solution where the recipe asks for it, with the bounds that are in the way."""
    try:
        yield
    except Infeasible as failure:
        rules: tuple[model.Quota | model.Repeat, ...] = (*recipe.quotas, *recipe.repeats)
        labels = [
            Label(rule.origin.span, "a bound of the weights")
            for rule in rules
            if rule.domain in failure.held or (rule.domain is None and recipe.budget is not None)
        ]
        span = recipe.mixture.origin.span if recipe.mixture.origin else None
        ways = ("`prior: quotas` asks for no more than the quotas leave", *failure.diagnostics[0].helps)
        placed = replace(failure.diagnostics[0], span=span, labels=tuple(labels), helps=ways)
        raise Failure(placed, exit_code=failure.exit_code) from None


def _smoothed(report: Report, before: Sequence[model.Phase], window: int) -> Report:
    """The mean with the weights of the phases just before; noise in S otherwise swings the mixture."""
    earlier = [dict(phase.mixture.weights) for phase in before[len(before) - window + 1 :] if phase.mixture.weights]
    if window == 1 or not earlier:
        return report
    rows = [[weights.get(domain, 0.0) for domain in report.problem.domains] for weights in earlier]
    mean = np.array([*rows, report.weights.tolist()]).mean(axis=0)
    return replace(report, weights=mean / mean.sum())


def _options(params: Any) -> Options:
    return Options(
        checkpoint=params.checkpoint,
        targets=(params.target,) if params.target is not None else (),
        curvature=params.curvature,
        layers=params.layers,
        tokens=params.tokens,
        length=params.length,
        shards=params.parts,
    )
