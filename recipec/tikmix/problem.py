"""TiKMiX-D's problem (arXiv 2508.17677, Eq. 9 to 11) and its objective.

minimise α·std(P̂) − β·ΣP̂_i − γ·H(w), P̂_i = (S·w)_i / max_j S_ij, subject to Σw = 1, w ≥ 0, S·w ≥ S·w_prior, and the
bounds from a recipe's quotas and repetition limits. Influence is signed such that larger helps more. It is convex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array

GUARD = 1e-8
"""The paper's guard against division by zero."""


@dataclass(frozen=True, slots=True)
class InfluenceProblem:
    """Attributes:
    tasks: (n,) and domains: (m,) names.
    influence: S (n, m); larger helps a task more.
    prior: (m,) weights that no task may do worse than under; they sum to one.
    low, high: (m,) bounds of the weights.
    alpha, beta, gamma: coefficients of the objective's three terms.
    """

    tasks: tuple[str, ...]
    domains: tuple[str, ...]
    influence: Array
    prior: Array
    low: Array
    high: Array
    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 1.0

    @property
    def scaled(self) -> Array:
        """Ŝ (n, m), with P̂ = Ŝ·w. A row without positive influence is divided by its largest absolute value, since
        division by its maximum would reward harm."""
        most = self.influence.max(axis=1)
        size = np.where(most > 0, most, np.abs(self.influence).max(axis=1)) + GUARD
        found: Array = self.influence / size[:, None]
        return found

    def terms(self, w: Array) -> tuple[float, float, float]:
        """std(P̂) (ddof 0), ΣP̂ and H(w) in nats."""
        p = self.scaled @ w
        inside = w[w > 0]
        return float(p.std()), float(p.sum()), float(-(inside * np.log(inside)).sum())

    def objective(self, w: Array) -> float:
        """The objective; smaller is better."""
        spread, total, entropy = self.terms(w)
        return self.alpha * spread - self.beta * total - self.gamma * entropy

    def slack(self, w: Array) -> Array:
        """How much more each task gains than under the prior (n,), in the unit of S; never below zero."""
        found: Array = self.influence @ (w - self.prior)
        return found

    @property
    def harmed(self) -> tuple[str, ...]:
        """The tasks that every domain harms."""
        return tuple(task for task, row in zip(self.tasks, self.influence, strict=True) if row.max() <= 0)
