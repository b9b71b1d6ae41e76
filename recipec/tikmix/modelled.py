"""TiKMiX-M: mixtures around TiKMiX-D's answer, labels of their gains, a regressor, and a search in the same box.

The paper's schedule goes from narrow to wide and ends in a corner on any linear score; this one goes from wide to
narrow. Every candidate stays in the box and leaves no task worse than the prior. With fixed influence the label is
linear in the mixture, so trees can only learn noise: both regressors are judged on held-out labels, and the better one
is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure
from recipec.proxies import regression
from recipec.proxies.regression import Judgement
from recipec.tikmix.problem import InfluenceProblem

BOX = (0.5, 2.0)
"""Range of a weight, as multiples of TiKMiX-D's weight (from the paper)."""

LABELLED, FOLDS = 256, 8

ROUNDS, DRAWN, BEST = 8, 4096, 16
"""Number of search rounds, of candidates drawn per round, and of best candidates that are averaged."""

WIDE, NARROW = 20.0, 20_000.0
"""Concentrations of the first and the last round's Dirichlet distribution."""

TRIES = 64


@dataclass(frozen=True, slots=True)
class Modelled:
    """Attributes:
    weights: (m,) the mean of the best candidates of the last round.
    gain: the predicted gain of `weights`, in the unit of the labels; `start`: that of TiKMiX-D's weights.
    judged: judgements of LightGBM and the linear regressor; `influence`: the rank correlation of ΣP̂, which uses no
        labels.
    """

    weights: Array
    gain: float
    start: float
    judged: tuple[Judgement, Judgement]
    influence: float

    @property
    def used(self) -> Judgement:
        lightgbm, linear = self.judged
        return lightgbm if lightgbm.rank_correlation > linear.rank_correlation else linear


def allowed(problem: InfluenceProblem, center: Array, w: Array) -> Array:
    """Which mixtures (n, m) are in the box around `center`, within the bounds, and leave no task worse off, (n,)."""
    box = (w >= BOX[0] * center - 1e-12) & (w <= BOX[1] * center + 1e-12)
    bounds = (w >= problem.low - 1e-12) & (w <= problem.high + 1e-12)
    scaled = problem.scaled
    pareto = w @ scaled.T >= scaled @ problem.prior - 1e-9
    return np.asarray(np.concatenate([box, bounds, pareto], axis=1).all(axis=1))


def candidates(problem: InfluenceProblem, center: Array, count: int = LABELLED, seed: int = 0) -> Array:
    """Draws up to `count` mixtures (n, m) by Latin hypercube in the box, normalised, without those outside the box.
    Tasks may do worse here than under the prior, so that labels show it.

    Raises:
        Failure: too few are in the box.
    """
    from scipy.stats import qmc

    sampler = qmc.LatinHypercube(len(center), rng=np.random.default_rng(seed))
    found: list[Array] = []
    for _ in range(TRIES):
        drawn = center * (BOX[0] + (BOX[1] - BOX[0]) * sampler.random(count))
        drawn = drawn / drawn.sum(axis=1, keepdims=True)
        inside = ((drawn >= BOX[0] * center) & (drawn <= BOX[1] * center)).all(axis=1)
        bounds = ((drawn >= problem.low - 1e-12) & (drawn <= problem.high + 1e-12)).all(axis=1)
        found.append(drawn[inside & bounds])
        if sum(map(len, found)) >= count:
            break
    mixtures: Array = np.concatenate(found)[:count]
    if len(mixtures) < 2 * FOLDS:
        message = f"only {len(mixtures):,} mixtures near the direct answer are within the bounds"
        raise Failure(Diagnostic("R1306", message, helps=("widen the bounds, or use `--method direct`",)))
    return mixtures


def influence_labels(problem: InfluenceProblem, mixtures: Array) -> Array:
    """Labels (n,) by influence: ΣP̂; larger is better."""
    found: Array = (mixtures @ problem.scaled.T).sum(axis=1)
    return found


def search(problem: InfluenceProblem, center: Array, mixtures: Array, gains: Array, seed: int = 0) -> Modelled:
    """Fits both regressors, and searches for the best mixture with the better one.

    Raises:
        Failure: there are too few labels, or they are all the same.
    """
    if len(gains) < 2 * FOLDS or np.ptp(gains) == 0:
        message = f"{len(gains):,} labels" + (" that are all the same" if len(gains) >= 2 * FOLDS else " are too few")
        raise Failure(Diagnostic("R1306", message, helps=(f"at least {2 * FOLDS} mixtures with different gains",)))
    judged = regression.judge("lightgbm", mixtures, gains, FOLDS), regression.judge("linear", mixtures, gains, FOLDS)
    lightgbm, linear = judged
    better = lightgbm if lightgbm.rank_correlation > linear.rank_correlation else linear
    model = regression.fit(better.kind, mixtures, gains)
    generator = np.random.default_rng(seed)
    best = center
    for concentration in np.geomspace(WIDE, NARROW, ROUNDS):
        gamma = generator.standard_gamma(np.maximum(concentration * best, 1e-9), (DRAWN, len(best)))
        drawn = gamma / gamma.sum(axis=1, keepdims=True)
        drawn = np.concatenate([drawn[allowed(problem, center, drawn)], best[None]])
        order = np.argsort(-model.predict(drawn), kind="stable")
        best = drawn[order[:BEST]].mean(axis=0)
    gain, start = model.predict(np.stack([best, center]))
    if gain < start:
        best, gain = center, start
    known = regression.spearman(influence_labels(problem, mixtures), gains)
    return Modelled(best / best.sum(), float(gain), float(start), judged, known)
