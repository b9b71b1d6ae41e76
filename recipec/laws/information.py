"""Effective information, which both InfoLaw laws use (arXiv 2605.02364).

    info = Σ_d f_d · M_d · log K · (1 − exp(−λ(N) · R_d / log K))
    f_d = exp(−θ·d)    λ(N) = λ_ref + a · ln(N / N_ref)    R_d = K_d / M_d

Natural logarithms; N and K raw counts; M_d in 10⁹ tokens. The paper writes λ(N) = a·ln N + b; the intercept at
N_ref = 10⁹ is equivalent (λ_ref = b + a·ln N_ref) and far less correlated with the slope in a fit.
"""

from __future__ import annotations

import numpy as np

from recipec.arrays import Array
from recipec.laws.runs import Runs

N_REF = 1e9
LEAST_LAMBDA = 1e-3
UNIT = 1e9
"""Tokens in one unit of M_d."""


def absorption(theta: Array, params: Array) -> Array:
    """λ(N), (n,): how much of a bucket one epoch teaches a model with N parameters. theta = (θ, λ_ref, a, …)."""
    values: Array = np.maximum(theta[1] + theta[2] * np.log(params / N_REF), LEAST_LAMBDA)
    return values


def information(theta: Array, runs: Runs) -> Array:
    """Effective information per band (n, q), in 10⁹ token-nats. Bands beyond the sixth also use f_d = exp(−θ·d)."""
    quality = np.exp(-theta[0] * runs.band)
    log_total = np.log(runs.total)[:, None]
    repetition = np.divide(runs.tokens, runs.unique, out=np.zeros_like(runs.tokens), where=runs.unique > 0)
    learnt = -np.expm1(-absorption(theta, runs.params)[:, None] * repetition / log_total)
    return np.asarray(quality * (runs.unique / UNIT) * log_total * learnt)
