"""The shares closest to a mixture that satisfy all bounds: one scalar per level of a tree of quotas.

The KL projection of weights w onto lo ≤ w' ≤ hi, Σ w' = 1 is w' = clip(c·w, lo, hi) with one scalar c (docs/selection.md, 7).
With quotas inside domains the bounds form a tree; then a part that is at a bound has its own scalar, which is the same
projection, solved level by level. Everything is piecewise linear in c, so it is solved exactly at its breakpoints, not
by iteration.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")


@dataclass(frozen=True)
class Node(Generic[K]):
    """A part of the dataset with bounds on its tokens: a leaf (`key`, `weight`), or the sum of `children`.

    `low` ≤ `high`, in the unit of the total to be divided; a leaf's amount is clip(c·weight, low, high).
    """

    low: float = 0.0
    high: float = math.inf
    key: K | None = None
    weight: float = 0.0
    children: tuple[Node[K], ...] = ()

    @property
    def least(self) -> float:
        """The smallest amount that the bounds inside allow."""
        inner = math.fsum(child.least for child in self.children) if self.children else 0.0
        return max(self.low, inner)

    @property
    def most(self) -> float:
        """The largest amount that the bounds inside allow."""
        inner = math.fsum(child.most for child in self.children) if self.children else math.inf
        return min(self.high, inner)

    def amount(self, scale: float) -> float:
        """The amount of this part at a scale; non-decreasing in the scale."""
        if self.children:
            inner = math.fsum(child.amount(scale) for child in self.children)
        else:
            inner = scale * self.weight if self.weight else 0.0
        return min(max(inner, self.least), self.most)

    def breakpoints(self) -> Iterator[float]:
        """The scales at which the slope of `amount` may change."""
        if not self.children:
            if self.weight:
                yield from (bound / self.weight for bound in (self.low, self.high) if math.isfinite(bound))
            return
        for child in self.children:
            yield from child.breakpoints()
        for bound in (self.least, self.most):
            if math.isfinite(bound):
                yield scale_for(self.children, bound)


def scale_for(nodes: Sequence[Node[K]], total: float) -> float:
    """The smallest scale at which `nodes` together get `total`, or the closest possible amount."""

    def amount(scale: float) -> float:
        return math.fsum(node.amount(scale) for node in nodes)

    points = sorted({0.0, *(point for node in nodes for point in node.breakpoints() if math.isfinite(point))})
    index = bisect_left(points, total, key=amount)
    if index == 0:
        return 0.0
    left = points[index - 1]
    right = points[index] if index < len(points) else max(2 * left, 1.0)
    low, high = amount(left), amount(right)
    if high <= low:
        return left
    # Linear between two breakpoints, and beyond the last one.
    return left + (total - low) / (high - low) * (right - left)


def shared_out(nodes: Sequence[Node[K]], total: float) -> dict[K, float]:
    """The amounts of all leaves for a total within the bounds of the nodes."""
    scale = scale_for(nodes, total)
    result: dict[K, float] = {}
    for node in nodes:
        if node.children:
            result |= shared_out(node.children, node.amount(scale))
        elif node.key is not None:
            result[node.key] = node.amount(scale)
    return result
