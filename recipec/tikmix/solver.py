"""An interior point method for TiKMiX-D: finds the optimum with the multiplier of every constraint.

The standard deviation has a kink where all tasks gain the same, so it is a separate variable, t ≥ ‖deviations‖/√n: a
second-order cone. The task constraints may have an empty interior, so each has a shortfall variable with a prohibitive
price. With that there is always an interior point, and the barrier method applies (Boyd & Vandenberghe 2004, section
11.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.numbers import plain
from recipec.tikmix.problem import InfluenceProblem

LEVELS = 10.0 ** -np.arange(0, 13)
"""Successive weights of the barrier: the last leaves a gap of 1e-12 per constraint."""

RESOLVED = 1e-8
"""The lowest level from which multipliers are read: below it, slacks are too close to the precision of their terms."""

STEPS, SMALL, SHORTEST = 60, 1e-14, 1e-10
"""Maximum Newton steps per level; half the squared decrement at which they end; the shortest step when halving."""

PRICES, SHORT = (1e2, 1e4, 1e6), 1e-9
"""Prices of a shortfall of one, tried in turn until no task falls short by SHORT: linear constraints have finite
multipliers."""

TOUCH = 1e-9
"""Bounds closer than this count as one value."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Attributes:
    weights: (m,), which sum to one.
    multipliers: (n,) of the tasks: by how much the objective would fall if a task's P̂ were allowed to be lower by one.
    at_low, at_high: (m,) multipliers of the bounds.
    """

    weights: Array
    multipliers: Array
    at_low: Array
    at_high: Array


class Infeasible(Failure):
    """No weights are within the bounds and give each task at least what the prior gives; `held` are the domains whose
    bounds conflict."""

    def __init__(self, message: str, held: Sequence[str], helps: tuple[str, ...] = ()) -> None:
        super().__init__(Diagnostic("R1305", message, helps=helps), exit_code=ExitCode.INFEASIBLE)
        self.held = tuple(held)


def solve(problem: InfluenceProblem) -> Solution:
    """Solves the problem to its optimum.

    Raises:
        Infeasible: no weights are within the bounds and give each task at least what the prior gives.
    """
    check_feasible(problem)
    m = len(problem.domains)
    free = problem.high - problem.low > TOUCH
    fixed = np.where(free, 0.0, problem.low)
    rest = 1.0 - fixed.sum()
    if free.sum() <= 1 or rest <= TOUCH:
        weights = fixed + np.where(free, rest / max(int(free.sum()), 1), 0.0)
        zero = np.zeros(m)
        return Solution(weights, np.zeros(len(problem.tasks)), zero, zero)
    scaled = problem.scaled
    demand = scaled @ problem.prior - scaled @ fixed
    used = np.ptp(scaled[:, free], axis=1) > 0
    barrier = Barrier.of(problem, scaled[:, free], scaled @ fixed, demand, used, free, rest)
    for price in PRICES:
        x, dual = barrier.minimum(price)
        if barrier.short(x) < SHORT:
            break
    weights, multipliers, at_low, at_high = fixed.copy(), np.zeros(len(used)), np.zeros(m), np.zeros(m)
    n, f = int(used.sum()), int(free.sum())
    weights[free], multipliers[used] = x[:f], dual[:n]
    at_low[free], at_high[free] = dual[2 * n : 2 * n + f], dual[2 * n + f :]
    return Solution(weights / weights.sum(), multipliers, at_low, at_high)


@dataclass(frozen=True, slots=True)
class Barrier:
    """The barrier problem over x = (w of f domains, shortfalls of n tasks, t).

    Attributes:
        rows, least: the constraints rows·x ≥ least: tasks, shortfalls, lower and upper bounds.
        spread, offset: spread·w + offset are the deviations of P̂, divided by √n.
        cost: the objective's linear terms without the price.
        total: the sum of w.
    """

    rows: Array
    least: Array
    spread: Array
    offset: Array
    cost: Array
    gamma: float
    total: float
    start: Array

    @classmethod
    def of(
        cls,
        problem: InfluenceProblem,
        scaled: Array,
        base: Array,
        demand: Array,
        used: Array,
        free: Array,
        total: float,
    ) -> Barrier:
        """The barrier problem of the free domains.

        Args:
            scaled: Ŝ (tasks, f); `base`: (tasks,) gains from the fixed domains; `demand`: (tasks,) gains required from
                the free domains.
            used: the tasks that depend on the free domains' weights.
        """
        n, f = int(used.sum()), scaled.shape[1]
        low, high = problem.low[free], np.minimum(problem.high[free], 2 * total)
        tasks = np.hstack([scaled[used], np.eye(n), np.zeros((n, 1))])
        short = np.hstack([np.zeros((n, f)), np.eye(n), np.zeros((n, 1))])
        box = np.hstack([np.eye(f), np.zeros((f, n + 1))])
        rows = np.concatenate([tasks, short, box, -box])
        least = np.concatenate([demand[used], np.zeros(n), low, -high])
        # Without its term in the objective, the standard deviation does not matter.
        counts = 1.0 if problem.alpha > 0 else 0.0
        root = np.sqrt(len(scaled))
        spread = counts * (scaled - scaled.mean(axis=0)) / root
        offset = counts * (base - base.mean()) / root
        cost = np.concatenate([-problem.beta * scaled.sum(axis=0), np.zeros(n), [problem.alpha or 1.0]])
        w = low + (high - low) * (total - low.sum()) / (high - low).sum()
        z = np.maximum(demand[used] - scaled[used] @ w, 0) + 1
        start = np.concatenate([w, z, [np.linalg.norm(spread @ w + offset) + 1]])
        return cls(rows, least, spread, offset, cost, problem.gamma, total, start)

    def short(self, x: Array) -> float:
        """The total shortfall of all tasks."""
        return float(x[self.spread.shape[1] : -1].sum())

    def minimum(self, price: float) -> tuple[Array, Array]:
        """Minimises at a price; returns x and the multipliers of `rows`."""
        cost = self.cost.copy()
        cost[self.spread.shape[1] : -1] = price
        x, dual = self.start, np.zeros(len(self.least))
        for level in LEVELS:
            x = self._centre(x, cost, level)
            if level >= RESOLVED:
                dual = level / (self.rows @ x - self.least)
        return x, dual

    def _centre(self, x: Array, cost: Array, level: float) -> Array:
        f, size = self.spread.shape[1], len(x)
        kkt = np.zeros((size + 1, size + 1))
        kkt[:f, size] = kkt[size, :f] = 1.0
        for _ in range(STEPS):
            gradient, kkt[:size, :size] = self._derivatives(x, cost, level)
            right = np.append(-gradient, self.total - x[:f].sum())
            step = np.linalg.solve(kkt, right)[:size]
            down = -float(gradient @ step)
            if down / 2 < SMALL * max(1.0, level):
                break
            length, now = 1.0, self._value(x, cost, level)
            while length > SHORTEST and not self._value(x + length * step, cost, level) <= now - 0.1 * length * down:
                length /= 2
            if length <= SHORTEST:
                break
            x = x + length * step
        return x

    def _value(self, x: Array, cost: Array, level: float) -> float:
        """The objective with its barriers; infinite outside of them."""
        w, y = x[: self.spread.shape[1]], self.spread @ x[: self.spread.shape[1]] + self.offset
        slack, cone = self.rows @ x - self.least, float(x[-1] ** 2 - y @ y)
        if slack.min() <= 0 or w.min() <= 0 or cone <= 0 or x[-1] <= 0:
            return np.inf
        entropy = self.gamma * float(w @ np.log(w))
        return float(cost @ x) + entropy - level * (float(np.log(slack).sum()) + float(np.log(cone)))

    def _derivatives(self, x: Array, cost: Array, level: float) -> tuple[Array, Array]:
        """Gradient and Hessian of `_value`."""
        f = self.spread.shape[1]
        w = x[:f]
        y, slack = self.spread @ w + self.offset, self.rows @ x - self.least
        gradient = cost - level * self.rows.T @ (1 / slack)
        hessian = level * self.rows.T @ (self.rows / (slack * slack)[:, None])
        gradient[:f] += self.gamma * (np.log(w) + 1)
        hessian[np.arange(f), np.arange(f)] += self.gamma / w
        cone = float(x[-1] ** 2 - y @ y)
        # -log(t² - y·y): its gradient is -slope / cone, with slope = ∂(t² - y·y).
        slope = np.zeros(len(x))
        slope[:f], slope[-1] = -2 * self.spread.T @ y, 2 * x[-1]
        curve = np.zeros((len(x), len(x)))
        curve[:f, :f], curve[-1, -1] = -2 * self.spread.T @ self.spread, 2.0
        gradient -= level * slope / cone
        hessian += level * (np.outer(slope, slope) / cone - curve) / cone
        return gradient, hessian


def check_feasible(problem: InfluenceProblem) -> None:
    """Searches for feasible weights by a linear programme with relaxed constraints.

    Raises:
        Infeasible: there are none; it names the bounds and the tasks that conflict.
    """
    from scipy.optimize import linprog

    if problem.low.sum() > 1 + TOUCH or problem.high.sum() < 1 - TOUCH:
        which = "low" if problem.low.sum() > 1 else "high"
        total = float(problem.low.sum() if which == "low" else problem.high.sum())
        message = f"the bounds cannot hold: the {which} ones sum to {plain(total)}"
        bound = problem.low > 0 if which == "low" else problem.high < 1
        raise Infeasible(message, [domain for domain, one in zip(problem.domains, bound, strict=True) if one])
    n, m = problem.influence.shape
    scaled = problem.scaled
    # Variables: weights, and the shortfall of each task, which is minimised.
    found = linprog(
        np.append(np.zeros(m), np.ones(n)),
        A_ub=np.hstack([-scaled, -np.eye(n)]),
        b_ub=-(scaled @ problem.prior),
        A_eq=np.append(np.ones(m), np.zeros(n))[None],
        b_eq=[1.0],
        bounds=[*zip(problem.low, problem.high, strict=True), *[(0.0, None)] * n],
        method="highs",
    )
    short = found.x[m:]
    if short.sum() <= 1e-7:
        return
    tasks = ", ".join(f"`{task}`" for task, value in zip(problem.tasks, short, strict=True) if value > 1e-7)
    held = [
        j
        for j in range(m)
        if (found.lower.marginals[j] > 1e-9 and problem.low[j] > 0) or found.upper.marginals[j] < -1e-9
    ]
    message = f"within the bounds {tasks} must do worse than under the prior"
    words = ", ".join(f"`{problem.domains[j]}` {plain(problem.low[j])} … {plain(problem.high[j])}" for j in held)
    raise Infeasible(message, [problem.domains[j] for j in held], (f"what binds: {words}",) if held else ())
