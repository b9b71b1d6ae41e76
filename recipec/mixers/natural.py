"""`mixture natural`"""

from __future__ import annotations

from recipec.ir.mixing import Decided
from recipec.selection import mixing
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    """The token shares that the sampling curves give."""
    return Decided(mixing.natural(problem.pools), follows_curves=True)


SPEC = Mixer(
    name="natural",
    summary="Domain weights as the sampling curves give them.",
    source="QuaDMix, arXiv 2504.16511",
    params=NoParams,
    decide=decide,
)
