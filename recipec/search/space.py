"""The searched parameters and draws of them: QuaDMix (arXiv 2504.16511), algorithm 1, within a recipe's bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.ir import model
from recipec.ir.search import Bound

CURVE = {"lambda": (0.0, 1000.0), "omega": (0.0, 0.1), "eta": (0.0, 1.0), "epsilon": (0.0, 0.001)}
"""Parameters of a curve and the ranges in which algorithm 1 draws them."""

HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Space:
    """Attributes:
    domains, criteria: (M,), (N,) sorted names.
    bounds: the bounds in the recipe.
    """

    domains: tuple[str, ...]
    criteria: tuple[str, ...]
    bounds: tuple[Bound, ...] = ()

    @property
    def weighted(self) -> tuple[str, ...]:
        """The criteria whose weights are searched: none if there is only one, whose weight has no effect."""
        return self.criteria if len(self.criteria) > 1 else ()

    @property
    def words(self) -> tuple[str, ...]:
        """The names of a domain's parameters."""
        return (*self.weighted, *CURVE)

    @property
    def names(self) -> tuple[str, ...]:
        """The names (d,) of all parameters, `omega_code`, `edu_code`, …: (N + 4)·M, domain by domain."""
        return tuple(f"{word}_{domain}" for domain in self.domains for word in self.words)

    def limits(self, word: str) -> Array:
        """The range (M, 2) in which a parameter is drawn per domain."""
        found = {bound.domain: (bound.low, bound.high) for bound in self.bounds if bound.parameter == word}
        general = found.get(None, CURVE.get(word, (0.0, 1.0)))
        return np.array([found.get(domain, general) for domain in self.domains], float).reshape(-1, 2)

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        """Draws (count, d) by algorithm 1. Curves: uniformly between their bounds. Weights: a ~ U(0,1)^N is shared by
        the domains, b ~ U(0,1)^N is drawn per domain, α ∝ a·b; then moved within their bounds, with a sum of 1."""
        drawn = np.empty((count, len(self.domains), len(self.words)))
        if self.weighted:
            shared = generator.uniform(size=(count, 1, len(self.weighted)))
            weights = shared * generator.uniform(size=(count, len(self.domains), len(self.weighted)))
            low, high = (np.stack([self.limits(word)[:, n] for word in self.weighted], axis=1) for n in (0, 1))
            drawn[:, :, : len(self.weighted)] = bounded(weights, low, high)
        for place, word in enumerate(CURVE, start=len(self.weighted)):
            limits = self.limits(word)
            drawn[:, :, place] = generator.uniform(limits[:, 0], limits[:, 1], (count, len(self.domains)))
        return drawn.reshape(count, -1)

    def quality(self, quality: model.Quality, x: Array, origin: model.Origin) -> model.Quality:
        """The weights of a draw (d,), with the normalisation and the missing scores of the recipe."""
        if not self.weighted:
            return quality
        table = x.reshape(len(self.domains), -1)
        blocks = tuple(
            model.Weights(
                domain=domain,
                weights=tuple(zip(self.weighted, map(float, row[: len(self.weighted)]), strict=True)),
                origin=origin,
            )
            for domain, row in zip(self.domains, table, strict=True)
        )
        return quality.model_copy(update={"weights": blocks})

    def sampling(self, x: Array) -> model.Quadmix:
        """The curves of a draw (d,)."""
        table = x.reshape(len(self.domains), -1)[:, len(self.weighted) :]
        own = tuple(
            model.Curve(domain=domain, lambda_=row[0], omega=row[1], eta=row[2], epsilon=row[3])
            for domain, row in zip(self.domains, table.tolist(), strict=True)
        )
        return model.Quadmix(curves=(model.Curve(domain=None), *own))


def bounded(weights: Array, low: Array, high: Array) -> Array:
    """Shares in proportion to weights (…, N) within bounds (M, N) that allow a sum of 1: clip(s·w, low, high), with the
    s that gives a sum of 1, by bisection of all at once."""
    start = np.maximum(weights, 1e-12)
    # At the upper end every share is at its upper bound.
    top = np.max(np.where(high > 0, high, 0.0) / start, axis=-1, keepdims=True)
    bottom = np.zeros_like(top)
    for _ in range(HALVINGS):
        middle = (bottom + top) / 2
        enough = np.clip(middle * start, low, high).sum(axis=-1, keepdims=True) >= 1
        top, bottom = np.where(enough, middle, top), np.where(enough, bottom, middle)
    shares = np.clip(top * start, low, high)
    found: Array = shares / shares.sum(axis=-1, keepdims=True)
    return found
