"""Chinchilla (Hoffmann et al., arXiv 2203.15556, Eq. 2): L = E + A / N^α + B / D^β; repetition is ignored."""

from __future__ import annotations

import numpy as np

from recipec.arrays import Array
from recipec.laws.form import Law, Parameter
from recipec.laws.runs import Runs


def loss(theta: Array, runs: Runs) -> Array:
    floor, a, b, alpha, beta = theta
    return np.asarray(floor + a * runs.params**-alpha + b * runs.total**-beta)


SPEC = Law(
    name="chinchilla",
    summary="loss from parameters and tokens; blind to repetition and quality",
    source="Hoffmann et al. 2022, arXiv 2203.15556, Eq. 2",
    parameters=(
        Parameter("E", "nats", 0.1, 10.0, (0.5, 3.0), log=True),
        Parameter("A", "nats · params^alpha", 1e-2, 1e7, (1e1, 1e4), log=True),
        Parameter("B", "nats · tokens^beta", 1e-2, 1e7, (1e1, 1e4), log=True),
        Parameter("alpha", "1", 0.01, 2.0, (0.1, 0.7)),
        Parameter("beta", "1", 0.01, 2.0, (0.1, 0.7)),
    ),
    loss=loss,
)
