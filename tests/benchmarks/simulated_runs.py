"""Simulated runs of InfoLaw with known parameters: what the simulations and benchmarks of laws are made from."""

from __future__ import annotations

import numpy as np

from recipec.laws.forms import infolaw
from recipec.laws.runs import BANDS, Runs

TRUE = np.array([0.922, 0.018 + 0.140 * np.log(1e9), 0.140, 3.7373, 0.0441])
"""The published (θ, λ_ref, a, α, β)."""

RATIO = 3.6 * 21.33
"""Tokens a parameter in the published design."""


def simulated(count: int, *, noise: float, seed: int, pools: tuple[float, ...] = (0.3, 1.0)) -> Runs:
    """`count` runs with ordered random recipes at three sizes, pools a share of K, and normal noise of log loss."""
    rng = np.random.default_rng(seed)
    weights = -np.sort(-rng.dirichlet(np.ones(6), count), axis=1)
    params = rng.choice([2.52e8, 6e8, 1.2e9], count)
    tokens = weights * (RATIO * params)[:, None]
    pool = (RATIO * params * rng.choice(pools, count))[:, None] * np.array([BANDS])
    runs = Runs(params, tokens, np.minimum(tokens, pool), np.full(count, np.nan))
    loss = infolaw.loss(TRUE, runs) * np.exp(noise * rng.standard_normal(count))
    return Runs(params, tokens, runs.unique, loss)
