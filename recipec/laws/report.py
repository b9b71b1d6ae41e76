"""From a table of runs to a law file, as `recipec fit` does: fit, bootstrap, errors, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.laws import evaluation, fitting, paper
from recipec.laws.doubts import doubts
from recipec.laws.form import Law
from recipec.laws.lawfile import LEVEL, MEAN_TO_DEVIATION, Errors, LawFile, Parameter, Range
from recipec.laws.runs import Runs
from recipec.laws.tables import Table
from recipec.numbers import exact
from recipec.progress import Progress, silent

Method: TypeAlias = Literal["huber", "paper"]

HELD_OUT_STARTS = 8
"""Number of local fits per left-out part: fewer than for the final fit."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a fit.

    Attributes:
        samples: number of bootstrap refits.
        starts: number of local fits of the multi-start search.
        fixed: parameters held at a given value.
    """

    method: Method = "huber"
    samples: int = 200
    starts: int = 48
    seed: int = 0
    fixed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """A fitted law, with the objective Σ Huber on log L (smaller is better) and predictions (n,) for its own runs."""

    file: LawFile
    objective: float
    predicted: Array


def fit_law(law: Law, table: Table, options: Options, *, source: str, progress: Progress = silent) -> Report:
    """Fits a law to a table of runs.

    Raises:
        Failure: lists every reason why these runs cannot be fitted.
    """
    fixed = dict(options.fixed)
    if law.info is not None and table.runs.tokens.shape[1] == 1:
        # With only one band, theta has no effect.
        fixed.setdefault("theta", 0.0)
    check(law, table, options, fixed)
    try:
        theta = solve(law, table.runs, options, fixed, options.starts, progress)
    except ValueError as error:
        raise Failure(Diagnostic("R1202", str(error))) from None
    samples = resample(law, table, theta, options, fixed, progress)

    def refit(runs: Runs) -> Array:
        # Starting from the fit on all runs would leak the left-out part if there are several local minima.
        return solve(law, runs, options, fixed, HELD_OUT_STARTS, silent)

    errors = evaluation.errors_of(law, table, theta, refit, progress)
    parameters = intervals(law, theta, samples, fixed)
    file = LawFile(
        law=law.name,
        fitted=True,
        source=source,
        parameters=parameters,
        params=span(table.runs.params),
        tokens=span(table.runs.total),
        repetition=span(table.runs.repetition),
        samples=tuple(tuple(float(value) for value in sample) for sample in samples),
        error=deviation(errors),
        errors=errors,
        seed_noise=evaluation.seed_noise(table),
        runs=table.digest,
        count=len(table.runs),
        bands=table.runs.tokens.shape[1],
        method=options.method,
        seed=options.seed,
        starts=options.starts,
        fixed=tuple(sorted(fixed)),
        warnings=doubts(law, table, parameters, errors),
    )
    objective = fitting.huber(fitting.residuals(law, table.runs, theta))
    return Report(file, objective, law.loss(theta, table.runs))


def check(law: Law, table: Table, options: Options, fixed: Mapping[str, float]) -> None:
    """Raises Failure with all reasons against a fit at once."""
    problems = []
    if len(table.tokenizers) > 1:
        names = ", ".join(f"`{name}`" for name in table.tokenizers)
        message = f"the runs have losses of {len(table.tokenizers)} tokenizers ({names}), which cannot be compared"
        problems.append(Diagnostic("R1201", message, helps=("fit the runs of each tokenizer alone",)))
    free = [name for name in law.names if name not in fixed]
    configurations = len(np.unique(table.replicate))
    if configurations < len(free):
        message = (
            f"{configurations} different runs cannot determine the {len(free)} parameters of {law.name} "
            f"({', '.join(free)})"
        )
        helps = ("add runs (`recipec fit --design` says which), or fix a parameter with --fix NAME=VALUE",)
        problems.append(Diagnostic("R1202", message, helps=helps))
    for name, value in options.fixed.items():
        form = next((one for one in law.parameters if one.name == name), None)
        if form is None:
            known = did_you_mean(name, law.names)
            problems.append(Diagnostic("R1203", f"{law.name} has no parameter `{name}` to fix", helps=known))
        elif not form.low <= value <= form.high:
            message = f"`--fix {name}={exact(value)}` is out of range: expected {exact(form.low)} to {exact(form.high)}"
            problems.append(Diagnostic("R1203", message))
    if options.method == "paper" and law.name != "infolaw":
        message = f"{law.name} has no method `paper`: its paper's fit is the default one"
        problems.append(Diagnostic("R1204", message))
    elif options.method == "paper" and options.fixed:
        problems.append(Diagnostic("R1204", "the method `paper` fits every parameter, but --fix holds one"))
    if problems:
        raise Failure(*problems)


def solve(law: Law, runs: Runs, options: Options, fixed: dict[str, float], starts: int, progress: Progress) -> Array:
    """Fits theta by the chosen method."""
    if options.method == "paper":
        return paper.fit(runs, seed=options.seed, progress=progress)
    return fitting.fit(law, runs, starts=starts, seed=options.seed, fixed=fixed, progress=progress).theta


def resample(
    law: Law, table: Table, theta: Array, options: Options, fixed: dict[str, float], progress: Progress
) -> Array:
    """Parameters (samples, p) of resampled runs; seeds of one configuration are resampled together."""
    if options.method == "paper":
        return paper.bootstrap(table.runs, count=options.samples, seed=options.seed, progress=progress)
    best = fitting.Fit(theta, 0.0)
    return fitting.bootstrap(
        law,
        table.runs,
        best,
        count=options.samples,
        seed=options.seed,
        groups=[int(number) for number in table.replicate],
        fixed=fixed,
        progress=progress,
    )


def intervals(law: Law, theta: Array, samples: Array, fixed: Mapping[str, float]) -> dict[str, Parameter]:
    """Each parameter with its 95 % percentile interval, extended to include the value itself."""
    result = {}
    for index, form in enumerate(law.parameters):
        value = float(theta[index])
        low, high = (value, value) if form.name in fixed else np.quantile(samples[:, index], LEVEL)
        result[form.name] = Parameter(
            value=value, low=min(float(low), value), high=max(float(high), value), unit=form.unit
        )
    return result


def span(values: Array) -> Range:
    return Range(low=float(values.min()), high=float(values.max()))


def deviation(errors: tuple[Errors, ...], split: str = "recipe") -> float:
    """One standard deviation of relative error, from the given split, else from the worst available split."""
    sizes = {one.split: one.mean for one in errors}
    return MEAN_TO_DEVIATION * sizes.get(split, max(sizes.values()))
