"""`law power("power.json")`: L = E + A / tokens^alpha"""

from __future__ import annotations

import numpy as np

from recipec.arrays import Array
from recipec.laws.form import Law, Parameter
from recipec.laws.runs import Runs


def loss(theta: Array, runs: Runs) -> Array:
    floor, a, alpha = theta
    return np.asarray(floor + a * runs.total**-alpha)


SPEC = Law(
    name="power",
    summary="loss from tokens alone",
    source="Acme",
    parameters=(
        Parameter("E", "nats", 0.1, 10.0, (0.5, 3.0), log=True),
        Parameter("A", "nats · tokens^alpha", 1e-2, 1e7, (1e1, 1e4), log=True),
        Parameter("alpha", "1", 0.01, 2.0, (0.1, 0.7)),
    ),
    loss=loss,
)
