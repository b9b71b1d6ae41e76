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
"""Repetition has stopped paying if another token lowers the loss by less than this share of what a fresh one would.

Our choice. The decay exp(−R/R*_D) of Muennighoff et al. (2023) reaches it after 36 epochs; they see no gain beyond 40
or so."""

HALVINGS = 40
STEP = 1e-4
"""Relative step size for measuring the worth of a token."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the best run: above `value`, the run `after` is better than `before`."""

    value: float
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """Predictions for n runs at k values of a budget or size.

    Attributes:
        values: (k,) ascending.
        predictions: one per value, for n runs.
        best: (k,) the run with the lowest loss at each value.
        changes: where the best run changes, to about 9 digits.
        stops: per run, the value above which repetition no longer pays; None if it pays over the whole range.
    """

    values: Array
    predictions: tuple[Prediction, ...]
    best: tuple[int, ...]
    changes: tuple[Change, ...]
    stops: tuple[float | None, ...]


def sweep(file: LawFile, at: Callable[[float], Runs], low: float, high: float, points: int) -> Sweep:
    """Predicts at values from `low` to `high`, evenly spaced in the logarithm; `at` gives the n runs at a value."""
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
    """The value from `low` to `high` at which `after` overtakes `before`, by bisection in the logarithm."""

    def overtaken(value: float) -> bool:
        loss = file.form.loss(file.theta, at(value))
        return bool(loss[after] < loss[before])

    return bisect(overtaken, low, high)


def stop(file: LawFile, at: Callable[[float], Runs], values: Array, index: int) -> float | None:
    """The value at which a run's repetition stops paying, or None if it pays over all values."""

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
    """The worth (n,) of one more token of a run: 1 is as much as a fresh token, below 0 it does harm.

    The token is spread over the bands like the run's tokens. In a band that is read once, it would be fresh if the pool
    has more tokens; a table of runs does not tell, so it is assumed to be a repeat.
    """
    law, theta = file.form, file.theta
    more = runs.tokens * (1 + STEP)
    repeated = Runs(runs.params, more, runs.unique, runs.loss, runs.bands)
    fresh = Runs(runs.params, more, runs.unique + runs.tokens * STEP, runs.loss, runs.bands)
    with np.errstate(all="ignore"):
        now = law.loss(theta, runs)
        gained, possible = now - law.loss(theta, repeated), now - law.loss(theta, fresh)
    return np.asarray(np.divide(gained, possible, out=np.ones_like(now), where=possible > 0))
