"""Predictions over a range of budgets or model sizes: which run is best where, and where repetition stops paying."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.laws.lawfile import LawFile
from recipec.laws.prediction import Prediction, predict
from recipec.laws.runs import Runs

LEAST_WORTH = 0.1
"""Repetition has stopped paying when a further token lowers the loss by less than this share of what a fresh one would.

Ours. The decay exp(−R/R*_D) of Muennighoff et al. (2023) reaches it after 36 epochs; they see no gain beyond about 40."""

HALVINGS = 40
STEP = 1e-4
"""Relative size of the step by which the worth of a token is measured."""


@dataclass(frozen=True, slots=True)
class Change:
    """Above `value` the run `after` is better than `before`."""

    value: float
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """n runs at k values of a budget or size.

    Attributes:
        values: (k,) ascending.
        predictions: one for each value, of n runs.
        best: (k,) the run of the lowest loss at each value.
        changes: where the best run changes, to about 9 digits.
        stops: for each run, the value above which repetition no longer pays; None where it pays to the end.
    """

    values: Array
    predictions: tuple[Prediction, ...]
    best: tuple[int, ...]
    changes: tuple[Change, ...]
    stops: tuple[float | None, ...]


def sweep(file: LawFile, at: Callable[[float], Runs], low: float, high: float, points: int) -> Sweep:
    """Predictions at values from `low` to `high`, evenly in logarithm; `at` gives the n runs at a value."""
    values = np.geomspace(low, high, points) if high > low else np.array([low])
    predictions = tuple(predict(file, at(float(value))) for value in values)
    best = tuple(int(np.argmin(one.loss)) for one in predictions)
    changes = tuple(
        Change(crossing(file, at, values[i], values[i + 1], best[i], best[i + 1]), best[i], best[i + 1])
        for i in range(len(values) - 1)
        if best[i] != best[i + 1]
    )
    count = len(predictions[0].loss)
    return Sweep(values, predictions, best, changes, tuple(stop(file, at, values, index) for index in range(count)))


def crossing(file: LawFile, at: Callable[[float], Runs], low: float, high: float, before: int, after: int) -> float:
    """The value between two where `after` overtakes `before`, by bisection of the logarithm."""

    def overtaken(value: float) -> bool:
        loss = file.form.loss(file.theta, at(value))
        return bool(loss[after] < loss[before])

    return bisect(overtaken, low, high)


def stop(file: LawFile, at: Callable[[float], Runs], values: Array, index: int) -> float | None:
    """Where a run's repetition stops paying within the values, if it does."""

    def over(value: float) -> bool:
        return bool(worth(file, at(value))[index] < LEAST_WORTH)

    first = next((position for position, value in enumerate(values) if over(float(value))), None)
    if first is None:
        return None
    return float(values[0]) if first == 0 else bisect(over, float(values[first - 1]), float(values[first]))


def bisect(true: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if true(middle) else (middle, high)
    return high


def worth(file: LawFile, runs: Runs) -> Array:
    """(n,) what one more token of a run is worth, 1 = as much as a fresh one; below 0 it does harm.

    The token is spread over the bands as the run's tokens are. A token of a band read once is fresh where its pool has
    more, which a table of runs cannot say: then it is taken to repeat.
    """
    law, theta = file.form, file.theta
    more = runs.tokens * (1 + STEP)
    repeated = Runs(runs.params, more, runs.unique, runs.loss, runs.bands)
    fresh = Runs(runs.params, more, runs.unique + runs.tokens * STEP, runs.loss, runs.bands)
    with np.errstate(all="ignore"):
        now = law.loss(theta, runs)
        gained, possible = now - law.loss(theta, repeated), now - law.loss(theta, fresh)
    return np.asarray(np.divide(gained, possible, out=np.ones_like(now), where=possible > 0))
