"""The definition of a law: named parameters and one vectorised function from runs to loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.laws.runs import Runs


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a law.

    Attributes:
        unit: "1", "nats", or the units that it multiplies.
        low, high: bounds of the fit.
        start: range from which random starts are drawn; log-uniform if `log`.
        log: whether the fit searches its logarithm (for positive parameters that span orders of magnitude).
    """

    name: str
    unit: str
    low: float
    high: float
    start: tuple[float, float]
    log: bool = False


@dataclass(frozen=True, slots=True)
class Law:
    """A law of loss: the `SPEC` of an extension in `recipec.laws.forms`.

    Attributes:
        name: its word in recipes and law files.
        source: the paper and the equation.
        parameters: in the order of the vector `theta`.
        loss: (theta (p,), runs) -> (n,) predicted loss in nats per token; smaller is better.
        info: (theta, runs) -> (n, q) effective information per band, in the law's unit; larger is better. None for a
            law without quality bands.
        bands: number of quality bands; 1 for a law that only uses totals.
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
