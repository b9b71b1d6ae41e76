"""Splits a logical plan into the steps of each source, and reassembles it.

A chain is a `Read`, then `Score`s and `Filter`s in order. Rewrites work on chains; positions are assigned when the plan
is reassembled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from recipec.ir import logical

Link = logical.Score | logical.Filter


@dataclass(frozen=True, slots=True)
class Chain:
    read: logical.Read
    links: tuple[Link, ...]

    @property
    def scores(self) -> tuple[logical.Score, ...]:
        return tuple(link for link in self.links if isinstance(link, logical.Score))

    @property
    def filters(self) -> tuple[logical.Filter, ...]:
        return tuple(link for link in self.links if isinstance(link, logical.Filter))


def chains(plan: logical.LogicalPlan) -> tuple[Chain, ...]:
    """The chain of each source, in the order of the gather's inputs."""
    return tuple(_chain(plan, end) for end in gather(plan).inputs)


def gather(plan: logical.LogicalPlan) -> logical.Gather:
    return next(op for op in plan.ops if isinstance(op, logical.Gather))


def tail(plan: logical.LogicalPlan) -> tuple[logical.Op, ...]:
    """The operations after the gather."""
    position = next(index for index, op in enumerate(plan.ops) if isinstance(op, logical.Gather))
    return plan.ops[position + 1 :]


def rebuilt(plan: logical.LogicalPlan, change: Callable[[Chain, int], Chain]) -> logical.LogicalPlan:
    """The plan with `change` applied to each chain and its number."""
    return assembled((change(chain, index) for index, chain in enumerate(chains(plan))), gather(plan), tail(plan))


def assembled(parts: Iterable[Chain], gathering: logical.Gather, rest: Iterable[logical.Op]) -> logical.LogicalPlan:
    ops: list[logical.Op] = []
    ends = []
    for chain in parts:
        ops.append(chain.read)
        for link in chain.links:
            ops.append(link.model_copy(update={"input": len(ops) - 1}))
        ends.append(len(ops) - 1)
    ops.append(gathering.model_copy(update={"inputs": tuple(ends)}))
    for op in rest:
        ops.append(op.model_copy(update={"input": len(ops) - 1}))
    return logical.LogicalPlan(ops=tuple(ops))


def _chain(plan: logical.LogicalPlan, end: int) -> Chain:
    links: list[Link] = []
    op = plan.ops[end]
    while isinstance(op, logical.Score | logical.Filter):
        links.append(op)
        op = plan.ops[op.input]
    assert isinstance(op, logical.Read)
    return Chain(op, tuple(reversed(links)))
