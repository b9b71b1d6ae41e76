"""`infolaw+`: InfoLaw with a floor, a term in the model's size, and harm by repetition (our own; docs/methods.md).

    L = E + A·N^(−γ) + B·(info/info₀)^(−β) + P·Σ_d w_d·max(R_d − 1, 0)^δ·(N/M_d)^κ

Pure InfoLaw can never predict that more epochs do harm, since its information only grows; the last term can. `info` is
that of `infolaw` with the same θ, λ_ref and a; info₀ = 100 keeps B in nats. M_d in tokens, w_d the band's share of
tokens.
"""

from __future__ import annotations

import numpy as np

from recipec.arrays import Array
from recipec.laws.form import Law, Parameter
from recipec.laws.information import LEAST_LAMBDA, information
from recipec.laws.runs import Runs

INFO_REF = 100.0


def loss(theta: Array, runs: Runs) -> Array:
    floor, a, gamma, b, beta, penalty, delta, kappa = theta[3:]
    info = np.maximum(information(theta, runs).sum(axis=1), np.finfo(float).tiny)
    unique = np.maximum(runs.unique, 1.0)
    repeats = np.maximum(runs.tokens / unique - 1.0, 0.0)
    weights = runs.tokens / runs.total[:, None]
    harm = (weights * repeats**delta * (runs.params[:, None] / unique) ** kappa).sum(axis=1)
    return np.asarray(floor + a * runs.params**-gamma + b * (info / INFO_REF) ** -beta + penalty * harm)


SPEC = Law(
    name="infolaw+",
    summary="infolaw with a floor, a size term and harm by repetition",
    source="recipec, extending InfoLaw (arXiv 2605.02364)",
    parameters=(
        Parameter("theta", "per band", 0.0, 5.0, (0.1, 2.0)),
        Parameter("lambda_ref", "nats per epoch at N = 1e9", LEAST_LAMBDA, 50.0, (0.3, 8.0), log=True),
        Parameter("a", "nats per epoch per ln N", -2.0, 5.0, (0.0, 0.6)),
        Parameter("E", "nats", 1e-3, 10.0, (0.3, 2.5), log=True),
        Parameter("A", "nats · params^gamma", 1e-3, 1e6, (1e0, 1e3), log=True),
        Parameter("gamma", "1", 0.01, 2.0, (0.1, 0.6)),
        Parameter("B", "nats at info = 100", 1e-4, 50.0, (0.05, 2.0), log=True),
        Parameter("beta", "1", 1e-3, 3.0, (0.1, 1.0), log=True),
        Parameter("P", "nats", 1e-9, 10.0, (1e-6, 1e-2), log=True),
        Parameter("delta", "1", 0.2, 4.0, (0.5, 2.0)),
        Parameter("kappa", "1", 0.0, 2.0, (0.0, 0.5)),
    ),
    loss=loss,
    info=information,
    bands=6,
)
