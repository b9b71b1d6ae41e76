"""`mixture tikmix(target: science_qa, checkpoint: "smollm2-135m", method: direct)`"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure, Label
from recipec.ir import model
from recipec.ir.mixing import Decided, Earlier
from recipec.models import cache
from recipec.selection import mixing
from recipec.source import Span
from recipec.spec import PLACE, Mixer
from recipec.tikmix import answering, inputs, lookahead, modelled, proposing, solver, weighing
from recipec.tikmix.measurement import MEASURED_VERSION, Measured, Options, measure, stored
from recipec.tikmix.problem import InfluenceProblem
from recipec.tikmix.report import Report
from recipec.tikmix.solver import Infeasible

if TYPE_CHECKING:
    from recipec.execution.pool import Pool


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    target: str | None = Field(default=None, description="the only task (default: every target)")
    checkpoint: str = Field(
        default="smollm2-135m", description="the model at which influence is measured", json_schema_extra=PLACE
    )
    method: Literal["direct", "model"] = Field(default="direct", description="TiKMiX-D or TiKMiX-M")
    curvature: Literal["ekfac", "kfac", "diagonal", "identity"] = Field(
        default="ekfac", description="approximation of the loss curvature"
    )
    layers: Literal["mlp", "all"] = Field(default="mlp", description="linear layers whose gradients count")
    tokens: int = Field(default=32_768, ge=1, description="tokens measured per domain")
    length: int = Field(default=256, ge=2, le=1_000_000, description="tokens per sequence")
    parts: int = Field(default=4, ge=2, le=1000, description="parts per sample, for the errors")
    alpha: float = Field(default=1.0, ge=0, description="coefficient of the spread of gains")
    beta: float = Field(default=1.0, ge=0, description="coefficient of gains")
    gamma: float = Field(default=1.0, ge=0, description="coefficient of the entropy of weights")
    label: Literal["lookahead", "influence"] = Field(
        default="lookahead",
        description="labels of `method: model`: by a few training steps on each mixture, or by influence",
    )
    candidates: int = Field(
        default=256, ge=16, le=100_000, description="number of mixtures that `method: model` labels"
    )
    ahead: int = Field(default=32_768, ge=1, description="training tokens per mixture of `label: lookahead`")
    rate: float = Field(default=1e-4, gt=0, description="learning rate of `label: lookahead`")
    prior: Literal["pool", "quotas"] = Field(
        default="pool",
        description="the baseline below which no task may fall: the pool's token shares, or those within the quotas",
    )
    window: int = Field(default=1, ge=1, description="number of phases, including this one, whose weights are averaged")
    noise: Literal["warn", "refuse"] = Field(
        default="warn", description="what to do if the ranking of domains is within noise"
    )


def decide(problem: mixing.Problem, params: Params) -> Decided:
    """The weights by influence, from a stored measurement or one made now.

    Raises:
        Failure: the checkpoint cannot be read, a domain has too little text; or as in `weighed`.
    """
    pool: Pool = problem.documents
    options = _options(params)
    measured = stored(pool, options)
    if measured is None and problem.now:
        measured = measure(pool, options)
    return weighed(problem, params, measured)


def weighed(problem: mixing.Problem, params: Params, measured: Measured | None) -> Decided:
    """The weights by measured influence; the pool's own as long as a needed measurement is missing.

    Raises:
        Failure: no weights satisfy the bounds, or the ranking is within noise and the recipe refuses that.
    """
    waiting = Decided(
        mixing.proportional(problem.pools), waiting=f"influence at `{params.checkpoint}` is not measured yet"
    )
    if measured is None:
        return waiting
    recipe = _recipe(problem)
    _check_noise(measured, recipe, params)
    known = weighing.problem(measured, recipe, within=params.prior == "quotas", drawn=_drawn(_wanted(problem.before)))
    known = inputs.weighted(known, params.alpha, params.beta, params.gamma)
    with _placed(recipe):
        labelled = None
        if params.method == "model":
            labelled = _labelled(problem.documents, known, params, now=problem.now)
            if labelled is None:
                return waiting
        report = answering.answer(known, params.method, labelled)
    near = _wanted(problem.before[max(0, len(problem.before) - params.window + 1) :])
    found = proposing.record(_smoothed(report, near), measured, recipe)
    return Decided(dict(zip(found.domains, found.weights, strict=True)), evidence=found)


def identity(params: Params, folder: Path, span: Span | None) -> list[object]:
    """The version of the measurement, and the digest of the model at which influence is measured."""
    return [MEASURED_VERSION, cache.find(params.checkpoint, folder, span).digest]


def _recipe(problem: mixing.Problem) -> model.Recipe:
    """The recipe with only the mixture, quotas and budget of this phase."""
    op, recipe = problem.stated, problem.documents.recipe
    assert op is not None
    budget = recipe.budget
    if budget is not None and op.tokens is not None:
        budget = budget.model_copy(update={"tokens": op.tokens})
    found: model.Recipe = recipe.model_copy(update={"mixture": op.mixture, "quotas": op.quotas, "budget": budget})
    return found


def _labelled(pool: Pool, problem: InfluenceProblem, params: Params, *, now: bool) -> tuple[Array, Array] | None:
    """Mixtures around the direct answer with the gain of each; None if they have not been trained yet."""
    mixtures = modelled.candidates(problem, solver.solve(problem).weights, params.candidates)
    if params.label == "influence":
        return mixtures, modelled.influence_labels(problem, mixtures)
    ahead = lookahead.Ahead(checkpoint=params.checkpoint, tokens=params.ahead, length=params.length, rate=params.rate)
    targets = [target for target in pool.recipe.targets if target.name in problem.tasks]
    return lookahead.labels(pool, ahead, targets, problem.domains, mixtures, now=now)


def _wanted(phases: Sequence[Earlier]) -> list[Earlier]:
    """The earlier phases whose weights are stated in the recipe or come from influence; curves express no intent."""
    return [
        phase
        for phase in phases
        if isinstance(phase.mixture, model.Shares | model.FromFile) or phase.decided.evidence is not None
    ]


def _drawn(before: Sequence[Earlier]) -> dict[str, float]:
    """The tokens per domain that earlier phases asked for."""
    found: dict[str, float] = {}
    for phase in before:
        for domain, weight in phase.decided.weights.items():
            found[domain] = found.get(domain, 0.0) + weight * phase.tokens
    return found


def _check_noise(measured: Measured, recipe: model.Recipe, params: Params) -> None:
    noise = weighing.noise(measured)
    if noise and params.noise == "refuse":
        origin = recipe.mixture.origin
        helps = ("raise `tokens`, or set `noise: warn`",)
        raise Failure(*(Diagnostic("R1311", words, origin.span if origin else None, helps=helps) for words in noise))


@contextlib.contextmanager
def _placed(recipe: model.Recipe) -> Iterator[None]:
    """Reports an infeasible problem at the recipe's `mixture`, with the bounds that conflict."""
    try:
        yield
    except Infeasible as failure:
        rules: tuple[model.Quota | model.Repeat, ...] = (*recipe.quotas, *recipe.repeats)
        labels = [
            Label(rule.origin.span, "a bound on the weights")
            for rule in rules
            if (rule.domain in failure.held or (rule.domain is None and recipe.budget is not None))
            and not (isinstance(rule, model.Repeat) and rule.unlimited)
        ]
        span = recipe.mixture.origin.span if recipe.mixture.origin else None
        ways = ("`prior: quotas` asks for no more than the quotas leave", *failure.diagnostics[0].helps)
        placed = replace(failure.diagnostics[0], span=span, labels=tuple(labels), helps=ways)
        raise Failure(placed, exit_code=failure.exit_code) from None


def _smoothed(report: Report, near: Sequence[Earlier]) -> Report:
    """The mean with the weights of the phases just before; otherwise noise in S makes the mixture oscillate."""
    earlier = [phase.decided.weights for phase in near]
    if not earlier:
        return report
    rows = [[weights.get(domain, 0.0) for domain in report.problem.domains] for weights in earlier]
    mean = np.array([*rows, report.weights.tolist()]).mean(axis=0)
    return replace(report, weights=mean / mean.sum())


def _options(params: Params) -> Options:
    return Options(
        checkpoint=params.checkpoint,
        targets=(params.target,) if params.target is not None else (),
        curvature=params.curvature,
        layers=params.layers,
        tokens=params.tokens,
        length=params.length,
        shards=params.parts,
    )


SPEC = Mixer(
    name="tikmix",
    summary="Domain weights by the influence of domains on targets at a checkpoint; no target loses against the prior.",
    source="TiKMiX, arXiv 2508.17677, Eq. 9 to 11",
    params=Params,
    decide=decide,
    target=True,
    measures=True,
    identity=identity,
)
