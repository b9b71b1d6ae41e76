"""`mixture { science 30%, code 70% }`"""

from __future__ import annotations

from recipec.ir import model
from recipec.ir.mixing import Decided
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    """The weights as the recipe states them."""
    assert isinstance(problem.op.mixture, model.Shares)
    return Decided(dict(problem.op.mixture.weights))


SPEC = Mixer(
    name="shares",
    summary="Domains weigh what the recipe says.",
    source="",
    params=NoParams,
    decide=decide,
    called=False,
)
