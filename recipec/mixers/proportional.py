"""`mixture proportional`"""

from __future__ import annotations

from recipec.ir.mixing import Decided
from recipec.selection import mixing
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    """Each domain's share of the pool's unique tokens."""
    return Decided(mixing.proportional(problem.pools))


SPEC = Mixer(
    name="proportional",
    summary="Domain weights in proportion to the pool's tokens.",
    source="",
    params=NoParams,
    decide=decide,
)
