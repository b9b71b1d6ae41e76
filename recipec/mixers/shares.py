"""`mixture { science 30%, code 70% }`"""

from __future__ import annotations

from recipec.ir import model
from recipec.ir.mixing import Decided
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    """The weights stated in the recipe."""
    assert isinstance(problem.op.mixture, model.Shares)
    return Decided(dict(problem.op.mixture.weights))


SPEC = Mixer(
    name="shares",
    summary="Domain weights as stated in the recipe.",
    source="",
    params=NoParams,
    decide=decide,
    called=False,
)
