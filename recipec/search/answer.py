"""From runs to an answer: fits regressors, ranks candidates with them, and judges how far they can be trusted.

QuaDMix (arXiv 2504.16511, section 3.3): a regressor of the loss, 100 000 candidates, the mean of the best 10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.numbers import exact
from recipec.proxies import regression
from recipec.proxies.regression import Judgement, Linear, Trees
from recipec.search.runs import SearchRuns

CANDIDATES, BEST, FOLDS, FLOOR = 100_000, 10, 10, 0.5
"""FLOOR: the held-out rank correlation below which the answer is no better than a guess."""

TRIED = 200
"""Number of top candidates that are searched for BEST feasible ones."""

STEP = 10_000
"""Number of candidates that are predicted at a time."""


@dataclass(frozen=True, slots=True)
class Regressor:
    """The regressor of one target, of the kind that ranks held-out runs better.

    Attributes:
        judged: the judgements of LightGBM and of the linear regressor.
    """

    target: str
    model: Linear | Trees
    judged: tuple[Judgement, Judgement]
    importance: Array

    @property
    def best(self) -> Judgement:
        return better(*self.judged)


@dataclass(frozen=True, slots=True)
class Answer:
    """Attributes:
    weights: (d,) the mean of the best candidates.
    predicted: its loss, the mean over the targets; `low`, `high`: its 95% interval, from the out-of-fold errors.
    best_run: the run with the lowest loss: its key and loss.
    """

    runs: SearchRuns
    regressors: tuple[Regressor, ...]
    weights: Array
    predicted: float
    low: float
    high: float
    best_run: tuple[str, float]
    folds: int

    @property
    def rank_correlation(self) -> float:
        """Held-out rank correlation, the mean over the targets."""
        return float(np.mean([one.best.rank_correlation for one in self.regressors]))

    @property
    def mae(self) -> float:
        return float(np.mean([one.best.mae for one in self.regressors]))

    def predict(self, x: Array) -> Array:
        """Predicts losses (n,) of other mixtures, the mean over the targets."""
        return predicted(self.regressors, x)


def better(lightgbm: Judgement, linear: Judgement) -> Judgement:
    """The better of the two; LightGBM only if it beats the linear regressor."""
    return lightgbm if lightgbm.rank_correlation > linear.rank_correlation else linear


def answer(
    runs: SearchRuns,
    *,
    folds: int = FOLDS,
    drawn: Callable[[], Array],
    shares: bool = True,
    may: Callable[[Array], bool] = lambda _: True,
    done: Callable[[int, int], None] = lambda _, __: None,
) -> Answer:
    """Fits regressors, draws candidates, and takes the mean of the best.

    Args:
        drawn: draws the candidates (c, d).
        shares: whether they sum to one.
        may: whether a candidate is feasible; if the mean of the best is not, the best candidate is the answer.
        done: called with the number of steps done and of all steps.

    Raises:
        Failure: fewer runs than folds, or losses that are all the same.
    """
    check(runs, folds)
    steps = len(runs.targets) + 1
    regressors = []
    for number in range(len(runs.targets)):
        done(number, steps)
        regressors.append(_regressor(runs, number, folds))
    done(steps - 1, steps)
    weights = _best(tuple(regressors), drawn(), may)
    weights = weights / weights.sum() if shares else weights
    value = float(predicted(tuple(regressors), weights[None])[0])
    truth = runs.losses.mean(axis=1)
    errors = truth - np.mean([one.best.held for one in regressors], axis=0)
    low, high = np.quantile(errors, (0.025, 0.975))
    lowest = int(np.argmin(truth))
    done(steps, steps)
    return Answer(
        runs=runs,
        regressors=tuple(regressors),
        weights=weights,
        predicted=value,
        low=value + float(low),
        high=value + float(high),
        best_run=(runs.keys[lowest], float(truth[lowest])),
        folds=folds,
    )


def _best(regressors: tuple[Regressor, ...], drawn: Array, may: Callable[[Array], bool]) -> Array:
    """The mean of the best feasible candidates, or the best one if the mean is not feasible.

    Raises:
        Failure: none of the best candidates is feasible.
    """
    losses = np.concatenate(
        [predicted(regressors, drawn[start : start + STEP]) for start in range(0, len(drawn), STEP)]
    )
    kept: list[Array] = []
    for number in np.argsort(losses, kind="stable")[:TRIED]:
        if may(drawn[number]):
            kept.append(drawn[number])
        if len(kept) == BEST:
            break
    if not kept:
        raise Failure(Diagnostic("R1410", f"none of the best {min(TRIED, len(drawn))} candidates is feasible"))
    mean: Array = np.mean(kept, axis=0)
    return mean if may(mean) else kept[0]


def check(runs: SearchRuns, folds: int) -> None:
    """Raises Failure if no regressor can be fitted on the runs."""
    problems = []
    if len(runs.x) < 2 * folds:
        helps = ("two runs per fold are the minimum; make more runs, or set --folds",)
        problems.append(Diagnostic("R1405", f"{len(runs.x):,} runs are too few for {folds} folds", helps=helps))
    problems += [
        Diagnostic("R1406", f"the losses of `{name}` are all the same, so nothing can be learned from them")
        for name, column in zip(runs.targets, runs.losses.T, strict=True)
        if len(column) and np.ptp(column) == 0
    ]
    if problems:
        raise Failure(*problems)


def _regressor(runs: SearchRuns, number: int, folds: int) -> Regressor:
    y = runs.losses[:, number]
    judged = regression.judge("lightgbm", runs.x, y, folds), regression.judge("linear", runs.x, y, folds)
    model = regression.fit(better(*judged).kind, runs.x, y)
    return Regressor(runs.targets[number], model, judged, model.importance(runs.x))


def predicted(regressors: tuple[Regressor, ...], x: Array) -> Array:
    found: Array = np.mean([one.model.predict(x) for one in regressors], axis=0)
    return found


def draw(runs: SearchRuns, count: int, seed: int, *, shares: bool) -> Array:
    """Draws candidates (count, d) within the range of the runs, since regressors know nothing beyond it.

    Shares are drawn as in RegMix: Dirichlet around the runs' mean, from nearly even to nearly a single domain
    (concentrations 0.1 to 5 times the mean's), up to the largest share that any run has. Parameters are drawn uniformly
    between the minimum and the maximum of the runs.
    """
    generator = np.random.default_rng(seed)
    low, high = runs.x.min(axis=0), runs.x.max(axis=0)
    if not shares:
        drawn: Array = generator.uniform(low, high, (count, len(low)))
        return drawn
    mean = np.maximum(runs.x.mean(axis=0), 1e-6)
    concentration = np.exp(generator.uniform(np.log(0.1), np.log(5), (count, 1))) * len(mean)
    gamma = generator.standard_gamma(concentration * mean / mean.sum())
    mixtures = np.minimum(gamma / np.maximum(gamma.sum(axis=1, keepdims=True), 1e-300), high)
    total = mixtures.sum(axis=1, keepdims=True)
    found: Array = (mixtures / np.maximum(total, 1e-300))[total[:, 0] > 0]
    return found


def warnings(found: Answer, floor: float) -> tuple[Diagnostic, ...]:
    """Warnings about an answer that is not to be trusted."""
    words = []
    if found.rank_correlation < floor:
        words.append(
            f"held-out rank correlation {found.rank_correlation:.2f} is below {exact(floor)}: "
            "the answer is no better than a guess"
        )
    if found.predicted >= found.best_run[1]:
        key, loss = found.best_run
        words.append(f"the answer's predicted loss {found.predicted:.4f} is not below that of run {key}, {loss:.4f}")
    linear = [one.target for one in found.regressors if one.best.kind == "linear"]
    if linear:
        words.append(f"LightGBM does not beat a linear regressor on {', '.join(linear)}: the linear one is used")
    return tuple(Diagnostic("R1407", message, severity=Severity.WARNING) for message in words)
