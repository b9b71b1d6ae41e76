"""Fits a law to runs: minimises Σ Huber(10⁻³) on log L from many starts, then refits resampled runs for intervals.

L-BFGS-B descends from each start; the best points are polished by a trust-region least-squares step on the same
objective (scipy's `huber` loss), which converges even where the valley is flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, minimize

from recipec.arrays import Array
from recipec.laws.form import Law, Parameter
from recipec.laws.runs import Runs
from recipec.progress import Progress, silent

DELTA = 1e-3
"""Huber's threshold on log L (Hoffmann et al. 2022; Muennighoff et al. 2023)."""

POLISHED = 4
"""Number of the best local fits that are polished."""

FAILED = 1e3
"""The residual if a law has no finite value: larger than any real residual."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The fitted theta (p,), in the order of the law's parameters, and the objective there (smaller is better)."""

    theta: Array
    objective: float


@dataclass(frozen=True, slots=True)
class Space:
    """The free parameters, as a box of search coordinates (logarithms for parameters with `log`)."""

    law: Law
    free: tuple[Parameter, ...]
    base: Array  # theta with the fixed values filled in

    @classmethod
    def of(cls, law: Law, fixed: dict[str, float]) -> Space:
        unknown = fixed.keys() - set(law.names)
        if unknown:
            raise ValueError(f"{law.name} has no parameter {', '.join(sorted(unknown))}")
        base = np.array([fixed.get(name, np.nan) for name in law.names])
        return cls(law, tuple(parameter for parameter in law.parameters if parameter.name not in fixed), base)

    def theta(self, point: Array) -> Array:
        theta = self.base.copy()
        theta[np.isnan(self.base)] = [
            np.exp(x) if parameter.log else x for parameter, x in zip(self.free, point, strict=True)
        ]
        return theta

    def point(self, theta: Array) -> Array:
        free = theta[np.isnan(self.base)]
        return np.array([np.log(x) if p.log else x for p, x in zip(self.free, free, strict=True)])

    def box(self) -> tuple[Array, Array]:
        low = [np.log(p.low) if p.log else p.low for p in self.free]
        high = [np.log(p.high) if p.log else p.high for p in self.free]
        return np.array(low), np.array(high)

    def random(self, rng: np.random.Generator, count: int) -> Array:
        ranges = [np.log(p.start) if p.log else np.array(p.start) for p in self.free]
        low, high = np.array(ranges).T
        return np.asarray(rng.uniform(low, high, (count, len(self.free))))


def residuals(law: Law, runs: Runs, theta: Array) -> Array:
    """The log (n,) of predicted over observed loss."""
    with np.errstate(all="ignore"):
        predicted = law.loss(theta, runs)
        result = np.log(predicted) - np.log(runs.loss)
    return np.where(np.isfinite(result), result, FAILED)


def huber(residual: Array) -> float:
    """Σ ½r² for |r| ≤ δ, else δ(|r| − ½δ)."""
    size = np.abs(residual)
    return float(np.sum(np.where(size <= DELTA, 0.5 * size**2, DELTA * (size - 0.5 * DELTA))))


def fit(
    law: Law,
    runs: Runs,
    *,
    starts: int = 48,
    seed: int = 0,
    fixed: dict[str, float] | None = None,
    progress: Progress = silent,
) -> Fit:
    """Returns the best of many local fits.

    Args:
        starts: number of local descents, from the best of eight times as many random points.
        fixed: parameters held at a given value.

    Raises:
        ValueError: fewer runs than free parameters, or no start led to finite losses.
    """
    space = Space.of(law, fixed or {})
    if len(runs) < len(space.free):
        raise ValueError(f"{len(runs)} runs cannot determine {len(space.free)} parameters of {law.name}")
    points = space.random(np.random.default_rng(seed), starts * 8)
    scores = [huber(residuals(law, runs, space.theta(point))) for point in points]
    found: list[tuple[float, Array]] = []
    for done, index in enumerate(np.argsort(scores, kind="stable")[:starts]):
        progress(f"fit {law.name}", done, starts, "starts")
        found.append(descend(space, runs, points[index]))
    progress(f"fit {law.name}", starts, starts, "starts")
    found.sort(key=lambda pair: pair[0])
    value, point = min((polish(space, runs, point) for _, point in found[:POLISHED]), key=lambda pair: pair[0])
    if value >= FAILED * DELTA / 2:
        raise ValueError(f"no start gave finite losses under {law.name}")
    return Fit(space.theta(point), value)


def refit(law: Law, runs: Runs, start: Array, *, fixed: dict[str, float] | None = None) -> Fit:
    """Fits locally from a known theta, for resampled runs and left-out parts."""
    space = Space.of(law, fixed or {})
    value, point = polish(space, runs, space.point(start))
    return Fit(space.theta(point), value)


def descend(space: Space, runs: Runs, point: Array) -> tuple[float, Array]:
    low, high = space.box()
    # The objective is of the order of 1e-3, at which L-BFGS-B's tolerances would stop at once.
    scale = 1 / DELTA**2
    result = minimize(
        lambda x: huber(residuals(space.law, runs, space.theta(x))) * scale,
        np.clip(point, low, high),
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"maxiter": 300},
    )
    return float(result.fun) / scale, np.asarray(result.x)


def polish(space: Space, runs: Runs, point: Array) -> tuple[float, Array]:
    low, high = space.box()
    inside = np.clip(point, low + 1e-9 * (high - low), high - 1e-9 * (high - low))
    result = least_squares(
        lambda x: residuals(space.law, runs, space.theta(x)),
        inside,
        bounds=(low, high),
        loss="huber",
        f_scale=DELTA,
        x_scale="jac",
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-14,
        max_nfev=200,
    )
    return huber(result.fun), np.asarray(result.x)


def bootstrap(
    law: Law,
    runs: Runs,
    best: Fit,
    *,
    count: int = 200,
    seed: int = 0,
    groups: Sequence[int] | None = None,
    fixed: dict[str, float] | None = None,
    progress: Progress = silent,
) -> Array:
    """Parameters (count, p) refitted on resampled runs.

    Args:
        groups: runs with the same number are resampled together (repeated seeds of one configuration).
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(len(runs)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    thetas = np.empty((count, len(law.parameters)))
    for done in range(count):
        progress("bootstrap", done, count, "refits")
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        thetas[done] = refit(law, runs.take(drawn), best.theta, fixed=fixed).theta
    progress("bootstrap", count, count, "refits")
    return thetas
