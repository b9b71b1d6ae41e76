"""`mixture infolaw`: the domain weights that maximise information (arXiv 2605.02364), by water-filling.

The weights are those of the best allocation over domains and quality bands under the quotas and the repetition limits;
the allocation then treats them like weights stated in a recipe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recipec.arrays import Array
from recipec.ir import model
from recipec.ir.mixing import Decided
from recipec.laws import optimum
from recipec.selection.bands import Bands, groups
from recipec.selection.mixing import Problem
from recipec.spec import Mixer, NoParams


def decide(problem: Problem, params: NoParams) -> Decided:
    """The weights that maximise information under the budget's law."""
    op = problem.op
    assert isinstance(op.mixture, model.Computed)
    law = op.mixture.law
    # The law belongs to the budget, so if there is a law, there are tokens.
    assert law is not None
    assert op.tokens is not None
    found = problem.bands(law.bands)
    tokens = best(found, op.quotas, law, float(op.tokens)).sum(axis=1)
    total = math.fsum(tokens)
    weights: dict[str, float] = dict.fromkeys(found.domains, 0.0)
    for domain, part in zip(found.domains, tokens, strict=True):
        weights[domain] += float(part / total) if total else 0.0
    return Decided(weights)


def best(found: Bands, quotas: Sequence[model.Quota], law: model.LawFacts, total: float) -> Array:
    """Tokens (m, q) of the best mixture. Infeasible quotas are ignored here; the later allocation reports them."""
    total = min(total, float(found.most.sum()))
    if not total > 0:
        return np.zeros_like(found.unique)
    quality = np.exp(-law.theta * np.arange(found.unique.shape[1]))[None] * np.ones_like(found.unique)
    # With repetition limits below one copy, not all tokens can be used.
    unique = np.minimum(found.unique, found.most)
    cap = np.where(unique > 0, np.minimum(found.most, total), 0.0)
    rows = len(found.domains)
    free = optimum.Allowance(quality, unique, cap, np.zeros(rows), np.full(rows, np.inf), total, law.absorption)
    try:
        return optimum.best(replace(free, groups=groups(found, quotas, total)))
    except ValueError:
        return optimum.best(free)


SPEC = Mixer(
    name="infolaw",
    summary="Domain weights that maximise information under the budget's law, the quotas and the repetition limits.",
    source="InfoLaw, arXiv 2605.02364",
    params=NoParams,
    decide=decide,
    law=True,
)
