"""`mixture proportional`"""

from __future__ import annotations

from recipec.ir.mixing import Decided
from recipec.selection import mixing
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    """The shares of the pool's unique tokens."""
    return Decided(mixing.proportional(problem.pools))


SPEC = Mixer(
    name="proportional",
    summary="Domains weigh as many tokens as the pool has of them.",
    source="",
    params=NoParams,
    decide=decide,
)
