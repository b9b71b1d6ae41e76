"""InfoLaw (arXiv 2605.02364): L = α · info^(−β), info the effective information of `laws.information`."""

from __future__ import annotations

import numpy as np

from recipec.arrays import Array
from recipec.laws.form import Law, Parameter
from recipec.laws.information import LEAST_LAMBDA, information
from recipec.laws.runs import Runs


def loss(theta: Array, runs: Runs) -> Array:
    info = np.maximum(information(theta, runs).sum(axis=1), np.finfo(float).tiny)
    return np.asarray(theta[3] * info ** -theta[4])


SPEC = Law(
    name="infolaw",
    summary="loss from quality-weighted information with saturation by repetition",
    source="InfoLaw, arXiv 2605.02364",
    parameters=(
        Parameter("theta", "per band", 0.0, 5.0, (0.1, 2.0)),
        Parameter("lambda_ref", "nats per epoch at N = 1e9", LEAST_LAMBDA, 50.0, (0.3, 8.0), log=True),
        Parameter("a", "nats per epoch per ln N", -2.0, 5.0, (0.0, 0.6)),
        Parameter("alpha", "nats", 1e-2, 1e3, (2.0, 8.0), log=True),
        Parameter("beta", "1", 1e-4, 2.0, (0.01, 0.3), log=True),
    ),
    loss=loss,
    info=information,
    bands=6,
)
