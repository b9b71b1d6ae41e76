"""The fit of the InfoLaw paper (arXiv 2605.02364, section 4), as printed: a random search and two regressions.

It draws 100 000 random (θ, {λ_N}), with one λ per model size, and takes the set whose information ranks the losses best
(Spearman, most negative); then regresses λ_N on ln N by least squares, then log L on log info. Our default fit is
`laws.fitting`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.laws.information import LEAST_LAMBDA, N_REF, UNIT, information
from recipec.laws.runs import Runs
from recipec.progress import Progress, silent

DRAWS = 100_000
CHUNK = 2_000
THETA = (0.0, 2.0)
LAMBDA = (0.3, 8.0)
"""Range of the random search; the paper does not state its own."""

FINALISTS = 2_000
"""Number of draws that resampled runs choose from: the best on all runs, since a search for each would take hours."""


@dataclass(frozen=True, slots=True)
class Search:
    """Random draws: theta (draws,), lambdas (draws, sizes), and the information (draws, n) of the runs under them."""

    theta: Array
    lambdas: Array
    information: Array


def fit(runs: Runs, *, seed: int = 0, progress: Progress = silent) -> Array:
    """Fits (θ, λ_ref, a, α, β) by the search."""
    found = search(runs, seed, progress)
    return finish(runs, np.unique(runs.params), found.theta[0], found.lambdas[0])


def bootstrap(runs: Runs, *, count: int, seed: int = 0, progress: Progress = silent) -> Array:
    """Parameters (count, 5) of resampled runs, each chosen from the finalists of the search on all runs."""
    found = search(runs, seed, progress)
    sizes = np.unique(runs.params)
    rng = np.random.default_rng(seed)
    result = np.empty((count, 5))
    for done in range(count):
        progress("bootstrap", done, count, "refits")
        drawn = rng.integers(0, len(runs), len(runs))
        best = int(np.argmin(spearman(found.information[:, drawn], runs.loss[drawn])))
        result[done] = finish(runs.take(drawn), sizes, found.theta[best], found.lambdas[best])
    progress("bootstrap", count, count, "refits")
    return result


def search(runs: Runs, seed: int, progress: Progress) -> Search:
    """Searches and returns the finalists, best first."""
    rng = np.random.default_rng(seed)
    sizes, which = np.unique(runs.params, return_inverse=True)
    theta = rng.uniform(*THETA, DRAWS)
    if runs.tokens.shape[1] == 1:
        theta[:] = 0.0
    lambdas = rng.uniform(*LAMBDA, (DRAWS, len(sizes)))
    scores = np.empty(DRAWS)
    for start in range(0, DRAWS, CHUNK):
        progress("search", start, DRAWS, "draws")
        part = slice(start, start + CHUNK)
        scores[part] = spearman(informations(runs, theta[part], lambdas[part][:, which]), runs.loss)
    progress("search", DRAWS, DRAWS, "draws")
    order = np.argsort(scores, kind="stable")[:FINALISTS]
    return Search(theta[order], lambdas[order], informations(runs, theta[order], lambdas[order][:, which]))


def informations(runs: Runs, theta: Array, absorption: Array) -> Array:
    """`information` (draws, n) for many θ (draws,) and λ (draws, n) at once."""
    log_total = np.log(runs.total)
    result = np.zeros(absorption.shape)
    for band in range(runs.tokens.shape[1]):
        unique = runs.unique[:, band]
        repeats = np.divide(runs.tokens[:, band], unique, out=np.zeros(len(runs)), where=unique > 0)
        learnt = -np.expm1(-absorption * (repeats / log_total))
        result += np.exp(-theta * band)[:, None] * (unique / UNIT * log_total) * learnt
    return result


def spearman(values: Array, losses: Array) -> Array:
    """Rank correlation (draws,) of information (draws, n) with losses (n,); −1 is best."""
    ranks = np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1, kind="stable").astype(np.float64)
    own = np.argsort(np.argsort(losses, kind="stable"), kind="stable").astype(np.float64)
    own -= own.mean()
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    return np.asarray(centred @ own / np.maximum(np.sqrt((centred**2).sum(axis=1) * (own**2).sum()), 1e-300))


def finish(runs: Runs, sizes: Array, theta: float, lambdas: Array) -> Array:
    """The two regressions for a chosen θ and λ_N, one λ per item of `sizes`."""
    x = np.log(sizes / N_REF)
    slope, intercept = np.polyfit(x, lambdas, 1) if len(sizes) > 1 else (0.0, float(lambdas[0]))
    chosen = np.array([theta, max(float(intercept), LEAST_LAMBDA), float(slope)])
    info = np.log(np.maximum(information(chosen, runs).sum(axis=1), np.finfo(float).tiny))
    if np.ptp(info) > 0:
        steepness, level = np.polyfit(info, np.log(runs.loss), 1)
    else:
        steepness, level = -1e-4, float(np.log(runs.loss).mean())
    return np.array([*chosen, float(np.exp(level)), -float(steepness)])
