"""`optimise`: applies the rewrites until nothing changes."""

from __future__ import annotations

from recipec.ir.logical import LogicalPlan
from recipec.planning.rules import RULES

MOST_ROUNDS = 10
"""The rules converge in two rounds; more would mean that two of them undo each other."""


def optimise(plan: LogicalPlan) -> LogicalPlan:
    """The plan after all rewrites: the same selection, less work."""
    for _ in range(MOST_ROUNDS):
        before = plan
        for rule in RULES:
            plan = rule(plan)
        if plan == before:
            return plan
    raise AssertionError("the rewrites of planning.rules do not converge")
