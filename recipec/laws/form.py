"""What a law is: named parameters and one vectorised function from runs to loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.laws.runs import Runs


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a law.

    Attributes:
        unit: "1", "nats", or what it multiplies.
        low, high: bounds of the fit.
        start: range that random starts are drawn from; log-uniform where `log`.
        log: whether the fit searches its logarithm (positive parameters over orders of magnitude).
    """

    name: str
    unit: str
    low: float
    high: float
    start: tuple[float, float]
    log: bool = False


@dataclass(frozen=True, slots=True)
class Law:
    """The `SPEC` of an extension of `recipec.laws.forms`.

    Attributes:
        name: the word in a recipe and in a law file.
        source: the paper and the equation.
        parameters: in the order of the vector `theta`.
        loss: (theta (p,), runs) -> (n,) predicted loss in nats per token; smaller is better.
        info: (theta, runs) -> (n, q) effective information per band, in the law's unit; larger is better. None for a
            law without quality bands.
        bands: number of quality bands, 1 for a law that sees only totals.
    """

    name: str
    summary: str
    source: str
    parameters: tuple[Parameter, ...]
    loss: Callable[[Array, Runs], Array]
    info: Callable[[Array, Runs], Array] | None = None
    bands: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    def theta(self, values: dict[str, float]) -> Array:
        return np.array([values[name] for name in self.names], dtype=np.float64)
