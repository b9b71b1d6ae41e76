"""Answers a problem by either method of TiKMiX."""

from __future__ import annotations

from typing import Literal

from recipec.arrays import Array
from recipec.tikmix import modelled, solver
from recipec.tikmix.problem import InfluenceProblem
from recipec.tikmix.report import Report

Method = Literal["direct", "model"]


def answer(problem: InfluenceProblem, method: Method = "direct", labelled: tuple[Array, Array] | None = None) -> Report:
    """Weights by TiKMiX-D, or by TiKMiX-M around them.

    Args:
        labelled: for `model`, mixtures (n, m) and the gain of each (n,); by default candidates labelled by influence.

    Raises:
        Failure: no weights satisfy the bounds, or there are too few mixtures to fit a predictor on.
    """
    direct = solver.solve(problem)
    if method == "direct":
        return Report(problem, direct.weights, direct)
    if labelled is None:
        mixtures = modelled.candidates(problem, direct.weights)
        labelled = mixtures, modelled.influence_labels(problem, mixtures)
    fitted = modelled.search(problem, direct.weights, *labelled)
    return Report(problem, fitted.weights, direct, fitted)
