"""Regressors for few runs, LightGBM and linear, compared on held-out runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure

Kind = Literal["lightgbm", "linear"]

ROUNDS, RATE = 1000, 0.01
"""Trees and learning rate of RegMix (arXiv 2407.01492, section 3.3). No early stopping, so no validation split."""

FEW = 200_000
"""Number of table entries up to which one thread fits as fast as several."""

SMALLEST_LEAF = 20
"""Minimum number of runs in a leaf of a tree (LightGBM's default); fewer if there are few runs."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Least squares with an intercept; the minimum-norm weights if the columns are shares that sum to one.

    Attributes:
        weights: (d,); `intercept`: as in `x @ weights + intercept`.
    """

    weights: Array
    intercept: float

    def predict(self, x: Array) -> Array:
        found: Array = x @ self.weights + self.intercept
        return found

    def importance(self, x: Array) -> Array:
        """How much each column moves the prediction, (d,): |weight| × standard deviation, summing to one."""
        moved = np.abs(self.weights) * x.std(axis=0)
        share: Array = moved / max(float(moved.sum()), 1e-300)
        return share


@dataclass(frozen=True, slots=True)
class Trees:
    """A LightGBM booster."""

    booster: Any

    def predict(self, x: Array) -> Array:
        found: Array = np.asarray(self.booster.predict(x, num_threads=_threads()))
        return found

    def importance(self, x: Array) -> Array:
        """Each column's share of the gain of all splits, (d,)."""
        gain = np.asarray(self.booster.feature_importance("gain"), float)
        share: Array = gain / max(float(gain.sum()), 1e-300)
        return share


def fit(kind: Kind, x: Array, y: Array) -> Linear | Trees:
    """Fits a regressor of y (n,) on x (n, d).

    Raises:
        Failure: LightGBM is requested and not installed.
    """
    if kind == "linear":
        center, mean = x.mean(axis=0), float(y.mean())
        weights = np.linalg.lstsq(x - center, y - mean, rcond=None)[0]
        return Linear(weights, mean - float(center @ weights))
    lightgbm = _lightgbm()
    settings = {
        "objective": "regression",
        "learning_rate": RATE,
        "min_data_in_leaf": max(1, min(SMALLEST_LEAF, len(y) // 10)),
        "seed": 42,
        # The same trees for any number of threads.
        "deterministic": True,
        "force_row_wise": True,
        # Threads cost more than they gain on small tables.
        "num_threads": 1 if x.size < FEW else _threads(),
        "verbosity": -1,
    }
    data = lightgbm.Dataset(x, label=y, params={"verbosity": -1})
    return Trees(lightgbm.train(settings, data, num_boost_round=ROUNDS))


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        helps = ("pip install '.[search]' from the checkout",)
        raise Failure(Diagnostic("R1401", f"this needs the package {error.name}", helps=helps)) from None
    return lightgbm


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well a regressor predicts runs that it was not fitted on.

    Attributes:
        held: (n,) out-of-fold predictions.
        rank_correlation: Spearman's, between `held` and the true values; larger is better.
        mae: mean absolute error, in the unit of y; smaller is better.
    """

    kind: Kind
    held: Array
    rank_correlation: float
    mae: float


def folds_of(count: int, folds: int) -> Array:
    """The fold of each run, (n,): folds of nearly equal sizes, by a fixed shuffle."""
    order = np.random.default_rng(0).permutation(count)
    found: Array = np.empty(count, np.int64)
    found[order] = np.arange(count) % folds
    return found


def judge(kind: Kind, x: Array, y: Array, folds: int) -> Judgement:
    """Cross-validates: predicts each fold by a regressor fitted on the others."""
    held = np.empty(len(y))
    fold = folds_of(len(y), folds)
    for number in range(folds):
        out = fold == number
        held[out] = fit(kind, x[~out], y[~out]).predict(x[out])
    return Judgement(kind, held, spearman(held, y), float(np.abs(held - y).mean()))


def spearman(a: Array, b: Array) -> float:
    """Spearman's rank correlation, with mean ranks for ties; 0 if `a` or `b` is constant."""
    ranks = [_ranks(np.asarray(one)) for one in (a, b)]
    spread = ranks[0].std() * ranks[1].std()
    if spread == 0:
        return 0.0
    return float(((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())).mean() / spread)


def _ranks(values: Array) -> Array:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    found: Array = (last - (count - 1) / 2)[place]
    return found
