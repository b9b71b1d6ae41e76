"""The exact optimal recipe under InfoLaw: water-filling instead of the paper's 100 000 random draws.

Effective information is a sum over cells (domain × band) of a concave function of the cell's tokens K: linear with
slope f·λ·(1 − e^(−x))/x up to its unique tokens U (x = λ/log K_total), then saturating with slope f·λ·e^(−x·K/U). So
the optimum has one multiplier ν: a cell is empty, read once, or repeated until its slope falls to ν. A domain bound by
a quota has its own ν, and so does a part of a domain bound by a nested quota. Everything is monotone in ν, so bisection
brackets it to the last bits. If the bracket ends on a linear piece, tokens are interpolated between its two sides,
which is exact there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array

STEPS = 200
"""Number of bisections of log ν: beyond the resolution of a double."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of rows with bounds on their total tokens. Two groups are disjoint, or one contains the other."""

    rows: frozenset[int]
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """The available tokens and the bounds of the problem.

    Attributes:
        quality: (m, q) f of each cell, > 0.
        unique: (m, q) U, distinct tokens available, raw counts.
        most: (m, q) maximum tokens of the cell under the repetition limits (R_max · U).
        least_domain, most_domain: (m,) bounds on a domain's tokens.
        groups: further bounds, if rows are parts of domains.
        total: tokens of the run, K; must be feasible.
        absorption: λ(N).
    """

    quality: Array
    unique: Array
    most: Array
    least_domain: Array
    most_domain: Array
    total: float
    absorption: float
    groups: tuple[Group, ...] = ()


def gain(problem: Allowance, tokens: Array) -> float:
    """The information Σ f·U·log K·(1 − exp(−λR/log K)), in token-nats, of tokens (m, q); larger is better."""
    log_total = np.log(problem.total)
    unique = np.minimum(problem.unique, tokens)
    repeats = np.divide(tokens, unique, out=np.zeros_like(tokens), where=unique > 0)
    return float(np.sum(problem.quality * unique * log_total * -np.expm1(-problem.absorption * repeats / log_total)))


def slope(problem: Allowance, tokens: Array) -> Array:
    """The information (m, q) that one more token of a cell adds: the right-hand derivative of `gain`."""
    x = problem.absorption / np.log(problem.total)
    steep = problem.quality * problem.absorption
    repeats = np.divide(tokens, problem.unique, out=np.ones_like(tokens), where=problem.unique > 0)
    return np.asarray(np.where(tokens < problem.unique, steep * -np.expm1(-x) / x, steep * np.exp(-x * repeats)))


def best(problem: Allowance) -> Array:
    """The tokens (m, q) of the best recipe, summing to `problem.total`.

    Raises:
        ValueError: no recipe of that many tokens satisfies the bounds.
    """
    most = np.minimum(problem.most_domain, problem.most.sum(axis=1))
    slack = problem.total * 1e-9
    if np.any(problem.least_domain > most + slack):
        raise ValueError("a domain's lower bound is above its upper bound")
    root = Tree.of(problem, most, slack)
    if root.least > problem.total + slack or root.most < problem.total - slack:
        raise ValueError("no recipe of this many tokens satisfies the bounds")
    wanted = np.zeros(len(most))
    root.share_out(problem, min(max(problem.total, root.least), root.most), wanted)
    # Each domain then spreads its tokens over its bands with its own multiplier: the common one unless a bound holds.
    dear, cheap = bracket(problem, lambda nu: demand(problem, nu).sum(axis=1) >= wanted, len(wanted))
    low, high = demand(problem, dear), demand(problem, cheap)
    span = (high - low).sum(axis=1)
    part = np.divide(wanted - low.sum(axis=1), span, out=np.zeros_like(span), where=span > 0)
    return np.asarray(low + part[:, None] * (high - low))


@dataclass(frozen=True, slots=True)
class Tree:
    """The rows and groups as a tree of inclusion, with each node's bounds tightened by those of its parts.

    `row` is the row of a leaf, −1 for a group.
    """

    row: int
    least: float
    most: float
    parts: tuple[Tree, ...]

    @classmethod
    def of(cls, problem: Allowance, most: Array, slack: float) -> Tree:
        """The tree of a problem; the root contains everything and has no bounds of its own."""
        nodes = {
            frozenset({row}): cls(row, float(problem.least_domain[row]), float(most[row]), ())
            for row in range(len(most))
        }
        for group in sorted(problem.groups, key=lambda group: len(group.rows)):
            inside = [rows for rows in nodes if rows <= group.rows]
            parts = tuple(nodes.pop(rows) for rows in inside)
            least = max(group.least, sum(part.least for part in parts))
            highest = min(group.most, sum(part.most for part in parts))
            if least > highest + slack:
                raise ValueError("a group's lower bound is above its upper bound")
            nodes[group.rows] = cls(-1, least, highest, parts)
        parts = tuple(nodes.values())
        return cls(-1, sum(part.least for part in parts), sum(part.most for part in parts), parts)

    def total(self, demanded: Array) -> float:
        """The node's tokens if the rows demand `demanded` (m,), within the bounds."""
        inner = float(demanded[self.row]) if self.row >= 0 else sum(part.total(demanded) for part in self.parts)
        return min(max(inner, self.least), self.most)

    def share_out(self, problem: Allowance, tokens: float, wanted: Array) -> None:
        """Writes the optimal tokens of each row, `tokens` in total, into `wanted` (m,)."""
        if self.row >= 0:
            wanted[self.row] = tokens
            return

        def totals(nu: Array) -> Array:
            demanded = demand(problem, nu).sum(axis=1)
            return np.array([part.total(demanded) for part in self.parts])

        dear, cheap = bracket(problem, lambda nu: totals(nu).sum() >= tokens, 1)
        for part, share in zip(self.parts, interpolate(totals(dear), totals(cheap), tokens), strict=True):
            part.share_out(problem, float(share), wanted)


def demand(problem: Allowance, nu: Array) -> Array:
    """The tokens (m, q) of each cell whose slope is at least ν, a scalar or one per domain (m,)."""
    price = np.broadcast_to(nu, problem.unique.shape[:1])[:, None]
    x = problem.absorption / np.log(problem.total)
    steep = problem.quality * problem.absorption
    repeats = np.maximum(np.log(steep / price) / x, 1.0)
    tokens = np.where(steep * -np.expm1(-x) / x >= price, problem.unique * repeats, 0.0)
    return np.asarray(np.minimum(tokens, problem.most))


def bracket(problem: Allowance, enough: object, size: int) -> tuple[Array, Array]:
    """The two neighbouring multipliers (size,) between which `enough` becomes true: (too high, low enough)."""
    assert callable(enough)
    steep = problem.quality * problem.absorption
    x = problem.absorption / np.log(problem.total)
    epochs = np.divide(problem.most, problem.unique, out=np.ones_like(problem.most), where=problem.unique > 0)
    dear = np.full(size, np.log(steep.max()) + 1.0)
    cheap = np.full(size, np.log(steep.min()) - x * max(epochs.max(), 1.0) - 1.0)
    for _ in range(STEPS):
        middle = (dear + cheap) / 2
        reached = enough(np.exp(middle))
        cheap, dear = np.where(reached, middle, cheap), np.where(reached, dear, middle)
    return np.exp(dear), np.exp(cheap)


def interpolate(low: Array, high: Array, total: float) -> Array:
    """The point on the line between two vectors whose sum is `total`."""
    span = high.sum() - low.sum()
    return np.asarray(low + (high - low) * ((total - low.sum()) / span if span > 0 else 0.0))
