"""Proposes the runs to make next, sizes × recipes × pool sizes within a compute budget, and simulates what they tell.

Runs are chosen one by one from a grid: each time the run with the largest gain of information about the parameters,
divided by a power of its compute. The power that gives the best final design is used (greedy D-optimality: log det of
the Fisher information JᵀJ/noise², J the derivatives of log loss). The value of a design is then simulated: losses under
the assumed law with noise are fitted many times. The published design (one pool as large as the run) barely identifies
θ and λ, as the same simulation shows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.laws import fitting
from recipec.laws.form import Law
from recipec.laws.lawfile import LEVEL
from recipec.laws.runs import BANDS, Runs
from recipec.progress import Progress, silent

FLOPS = 6.0
"""Floating-point operations per parameter and token in training (Kaplan et al. 2020)."""

RECIPES = (
    (1.0, 0, 0, 0, 0, 0),
    (0.8, 0.2, 0, 0, 0, 0),
    (0.5, 0.5, 0, 0, 0, 0),
    (0.5, 0.3, 0.2, 0, 0, 0),
    (0.35, 0.35, 0.2, 0.1, 0, 0),
    (0.3, 0.25, 0.2, 0.15, 0.1, 0),
    (0.2, 0.2, 0.2, 0.2, 0.1, 0.1),
    (1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6),
)
"""Shares of the six bands, from the best band only to about equal shares; w_d ≥ w_{d+1} as in the paper."""

POOLS = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Pool tokens per token of the run: with `RECIPES` these give one to hundreds of epochs of a band."""

RATIOS = (20.0, 77.0)
"""Tokens per parameter: Chinchilla's, and InfoLaw's overtraining ratio of 3.6."""

MOST_EPOCHS = 64.0
"""Maximum epochs of a band of a candidate: no law has been shown to hold beyond (Muennighoff et al. 2023: 44)."""

POWERS = (1.0, 0.5, 0.25, 0.0)
"""Powers of compute by which a run's information is divided: from many cheap runs to few large ones."""

PUBLISHED_SIZES = (2.52e8, 6e8, 1.2e9)
PUBLISHED_RATIO = 76.8


@dataclass(frozen=True, slots=True)
class Design:
    """Proposed runs (their losses are NaN), the pool of each in tokens (n,), and the FLOPs of each (n,)."""

    runs: Runs
    pools: Array
    flops: Array


@dataclass(frozen=True, slots=True)
class Expected:
    """Quantiles (p,) of the fitted parameters over simulations: the 95 % interval to expect from the runs."""

    low: Array
    high: Array


def grid(law: Law, sizes: Array) -> Design:
    """All candidate runs: recipes and pools vary for laws with bands, only pools for other laws."""
    recipes = RECIPES if law.info is not None else ((1.0,),)
    shares = np.array(BANDS) if law.info is not None else np.ones(1)
    rows = list(itertools.product(sizes, RATIOS, recipes, POOLS))
    params = np.array([float(size) for size, *_ in rows])
    total = params * np.array([ratio for _, ratio, *_ in rows])
    tokens = np.array([recipe for *_, recipe, _ in rows], dtype=np.float64) * total[:, None]
    pools = total * np.array([pool for *_, pool in rows])
    unique = np.minimum(tokens, pools[:, None] * shares)
    usable = np.flatnonzero((tokens <= unique * MOST_EPOCHS).all(axis=1))
    runs = Runs(params, tokens, unique, np.full(len(rows), np.nan))
    return Design(runs.take(usable), pools[usable], (FLOPS * params * total)[usable])


def published() -> Runs:
    """A design like the paper's: 27 runs, three sizes, nine recipes, one pool as large as the run."""
    rng = np.random.default_rng(0)
    recipes = -np.sort(-rng.dirichlet(np.ones(6), 9), axis=1)
    params = np.repeat(PUBLISHED_SIZES, 9)
    total = params * PUBLISHED_RATIO
    tokens = np.tile(recipes, (3, 1)) * total[:, None]
    return Runs(params, tokens, np.minimum(tokens, total[:, None] * np.array(BANDS)), np.full(27, np.nan))


def propose(
    law: Law, theta: Array, candidates: Design, *, flops: float, most: int, noise: float, known: Runs | None = None
) -> Design:
    """Chooses the candidates to run, in the order in which they were chosen.

    Args:
        theta: the parameters assumed to be true.
        flops: compute for all runs together.
        most: maximum number of runs.
        noise: standard deviation of log loss between equal runs.
        known: runs already made, whose information counts.
    """
    slopes = jacobian(law, theta, candidates.runs) / noise
    # A weak prior, as wide as a third of each parameter's box, makes the first runs comparable.
    information = np.eye(slopes.shape[1]) * 10.0
    if known is not None:
        before = jacobian(law, theta, known) / noise
        information += before.T @ before
    found = [greedy(slopes, information, candidates.flops, flops, most, power) for power in POWERS]
    picked = np.array(max(found, key=lambda pair: pair[0])[1], dtype=np.intp)
    return Design(candidates.runs.take(picked), candidates.pools[picked], candidates.flops[picked])


def greedy(
    slopes: Array, information: Array, costs: Array, flops: float, most: int, power: float
) -> tuple[float, list[int]]:
    """(log det of the information, the candidates) if each step takes the largest gain / cost^power."""
    information, chosen = information.copy(), list[int]()
    open_ = np.ones(len(slopes), dtype=bool)
    while len(chosen) < most:
        affordable = open_ & (costs <= flops)
        if not affordable.any():
            break
        # det(F + jjᵀ) = det F · (1 + jᵀF⁻¹j)
        gains = np.log1p(np.einsum("ij,jk,ik->i", slopes, np.linalg.inv(information), slopes))
        index = int(np.argmax(np.where(affordable, gains / costs**power, -np.inf)))
        chosen.append(index)
        open_[index] = False
        flops -= float(costs[index])
        information += np.outer(slopes[index], slopes[index])
    return float(np.linalg.slogdet(information)[1]), chosen


def jacobian(law: Law, theta: Array, runs: Runs) -> Array:
    """Derivatives (n, p) of log loss, with each parameter in units of its search box (logarithmic if that is)."""
    space = fitting.Space.of(law, {})
    point = space.point(theta)
    low, high = space.box()
    columns = []
    for index in range(len(point)):
        step = np.zeros_like(point)
        step[index] = 1e-5 * (high[index] - low[index])
        ahead = np.log(law.loss(space.theta(point + step), runs))
        behind = np.log(law.loss(space.theta(point - step), runs))
        columns.append((ahead - behind) / 2e-5)
    return np.stack(columns, axis=1)


def expected(
    law: Law, theta: Array, runs: Runs, *, noise: float, simulations: int, seed: int = 0, progress: Progress = silent
) -> Expected:
    """The intervals to expect from the runs, by fitting simulated losses."""
    rng = np.random.default_rng(seed)
    truth = law.loss(theta, runs)
    found = np.empty((simulations, len(theta)))
    for done in range(simulations):
        progress("simulate", done, simulations, "fits")
        losses = truth * np.exp(noise * rng.standard_normal(len(runs)))
        simulated = Runs(runs.params, runs.tokens, runs.unique, losses, runs.bands)
        found[done] = fitting.refit(law, simulated, theta).theta
    progress("simulate", simulations, simulations, "fits")
    low, high = np.quantile(found, LEVEL, axis=0)
    return Expected(np.asarray(low), np.asarray(high))


def joined(first: Runs, second: Runs) -> Runs:
    """Concatenates two sets of runs.

    The set with fewer bands is padded with bands of no tokens, so that runs of one band can join runs of six.
    """
    width = max(first.tokens.shape[1], second.tokens.shape[1])

    def wide(values: Array) -> Array:
        return np.pad(values, ((0, 0), (0, width - values.shape[1])))

    return Runs(
        np.concatenate([first.params, second.params]),
        np.concatenate([wide(first.tokens), wide(second.tokens)]),
        np.concatenate([wide(first.unique), wide(second.unique)]),
        np.concatenate([first.loss, second.loss]),
    )
