"""`mixture from "weights.json"`"""

from __future__ import annotations

from recipec.ir import model
from recipec.ir.mixing import Decided
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    """The weights that the file had when the recipe was read."""
    assert isinstance(problem.op.mixture, model.FromFile)
    return Decided(dict(problem.op.mixture.weights))


SPEC = Mixer(
    name="file",
    summary="Domain weights from a JSON file.",
    source="",
    params=NoParams,
    decide=decide,
    called=False,
)
