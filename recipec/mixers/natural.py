"""`mixture natural`"""

from __future__ import annotations

from recipec.ir.mixing import Decided
from recipec.selection import mixing
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    """The shares of what the curves give."""
    return Decided(mixing.natural(problem.pools), follows_curves=True)


SPEC = Mixer(
    name="natural",
    summary="Domains weigh what their sampling curves give.",
    source="QuaDMix, arXiv 2504.16511",
    params=NoParams,
    decide=decide,
)
