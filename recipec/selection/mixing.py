"""`mixture infolaw`: the domain weights of the greatest information (arXiv 2605.02364), by water-filling.

The weights are of the best allocation over domains and quality bands under the quotas of whole domains and the
repetition limits; the allocation then treats them like weights that a recipe states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recipec.ir import logical, model
from recipec.laws import optimum
from recipec.laws.runs import Array
from recipec.selection.allocation import bounds
from recipec.selection.bands import Bands, bands

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def decided(connection: DuckDBPyConnection, op: logical.Sample, table: str, limit: str) -> logical.Sample:
    """The operation with the weights that its law decides as its mixture; any other operation as it is."""
    law = op.mixture.law
    if op.mixture.kind != "infolaw" or law is None or op.tokens is None:
        return op
    whole = isinstance(op.sample, model.Top)
    found = bands(connection, table, limit=limit, copies="0", count=law.bands, whole=whole)
    tokens = best(found, op.quotas, law, float(op.tokens))
    total = float(tokens.sum())
    weights = tuple(
        (domain, float(part / total) if total else 0.0)
        for domain, part in zip(found.domains, tokens.sum(axis=1), strict=True)
    )
    mixture = op.mixture.model_copy(update={"kind": "explicit", "weights": weights})
    return op.model_copy(update={"mixture": mixture})


def best(found: Bands, quotas: Sequence[model.Quota], law: model.LawFacts, total: float) -> Array:
    """Tokens (m, q) of the best mixture. Where the bounds leave none, they are widened as little as is needed: the
    allocation, which comes after, is what tells of bounds that cannot hold."""
    least, most = domain_bounds(found, quotas, total)
    reach = np.minimum(most, found.most.sum(axis=1))
    least = np.minimum(least, reach)
    total = min(total, float(reach.sum()))
    least *= min(1.0, total / max(float(least.sum()), 1e-300))
    return optimum.best(problem(found, least, most, law.theta, law.absorption, total)) if total > 0 else found.drawn * 0


def domain_bounds(found: Bands, quotas: Sequence[model.Quota], total: float) -> tuple[Array, Array]:
    """(m,) least and most tokens of each domain under the quotas of whole domains."""
    least, most = np.zeros(len(found.domains)), np.full(len(found.domains), np.inf)
    for quota in quotas:
        if not quota.conditions and quota.domain in found.domains:
            index = found.domains.index(quota.domain)
            least[index], most[index] = bounds(quota, total)
    return least, most


def problem(found: Bands, least: Array, most: Array, theta: float, absorption: float, total: float) -> optimum.Problem:
    """The water-filling problem of a pool."""
    quality = np.exp(-theta * np.arange(found.unique.shape[1]))[None] * np.ones_like(found.unique)
    # Limits below one copy make fewer tokens reachable than there are.
    unique = np.minimum(found.unique, found.most)
    cap = np.where(unique > 0, np.minimum(found.most, total), 0.0)
    return optimum.Problem(quality, unique, cap, least, np.minimum(most, total), total, absorption)
