"""Data-constrained scaling (Muennighoff et al., arXiv 2305.16264, Eq. 5-7): the value of repeated tokens decays.

    D' = U_D + U_D · R*_D · (1 − exp(−R_D / R*_D))     R_D = max(D/U_D − 1, 0)
    N' = U_N + U_N · R*_N · (1 − exp(−R_N / R*_N))     R_N = max(N/U_N − 1, 0)
    L  = E + A / N'^α + B / D'^β

U_N = min(N, (U_D·G)^(β/α)·G), G = (αA/βB)^(1/(α+β)): the compute-optimal number of parameters for U_D unique tokens.
"""

from __future__ import annotations

import numpy as np

from recipec.arrays import Array
from recipec.laws.form import Law, Parameter
from recipec.laws.runs import Runs


def effective(unique: Array, total: Array, constant: float) -> Array:
    """U + U·R*·(1 − exp(−R/R*)), R = max(total/U − 1, 0)."""
    repeats = np.maximum(total / unique - 1, 0)
    return np.asarray(unique + unique * constant * -np.expm1(-repeats / constant))


def loss(theta: Array, runs: Runs) -> Array:
    floor, a, b, alpha, beta, data_constant, params_constant = theta
    unique = np.maximum(runs.unique.sum(axis=1), 1.0)
    ratio = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    base = np.minimum(runs.params, (unique * ratio) ** (beta / alpha) * ratio)
    data = effective(unique, runs.total, data_constant)
    params = effective(base, runs.params, params_constant)
    return np.asarray(floor + a * params**-alpha + b * data**-beta)


SPEC = Law(
    name="muennighoff",
    summary="loss from parameters and tokens, where repeated tokens and excess parameters decay",
    source="Muennighoff et al. 2023, arXiv 2305.16264, Eq. 5-7",
    parameters=(
        Parameter("E", "nats", 0.1, 10.0, (0.5, 3.0), log=True),
        Parameter("A", "nats · params^alpha", 1e-2, 1e7, (1e1, 1e4), log=True),
        Parameter("B", "nats · tokens^beta", 1e-2, 1e7, (1e1, 1e4), log=True),
        Parameter("alpha", "1", 0.01, 2.0, (0.1, 0.7)),
        Parameter("beta", "1", 0.01, 2.0, (0.1, 0.7)),
        Parameter("R_D", "epochs", 0.1, 1e4, (1.0, 1e2), log=True),
        Parameter("R_N", "multiples of U_N", 0.1, 1e4, (1.0, 1e2), log=True),
    ),
    loss=loss,
)
