"""`mixture infolaw`: the domain weights of the greatest information (arXiv 2605.02364), by water-filling.

The weights are of the best allocation over domains and quality bands under the quotas and the repetition limits; the
allocation then treats them like weights that a recipe states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from recipec.ir import logical, model
from recipec.laws import optimum
from recipec.laws.runs import Array
from recipec.selection.allocation import bounds
from recipec.selection.bands import Bands, bands

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def decided(connection: DuckDBPyConnection, op: logical.Sample, table: str, limit: str, nest: str) -> logical.Sample:
    """The operation with the weights that its law decides as its mixture; any other operation as it is.

    Args:
        limit, nest: SQL of R_i and of the bits of nested quotas.
    """
    law = op.mixture.law
    if op.mixture.kind != "infolaw" or law is None or op.tokens is None:
        return op
    whole = isinstance(op.sample, model.Top)
    found = bands(connection, table, limit=limit, copies="0", count=law.bands, whole=whole, nest=nest)
    tokens = best(found, op.quotas, law, float(op.tokens)).sum(axis=1)
    total = math.fsum(tokens)
    weights: dict[str, float] = dict.fromkeys(found.domains, 0.0)
    for domain, part in zip(found.domains, tokens, strict=True):
        weights[domain] += float(part / total) if total else 0.0
    mixture = op.mixture.model_copy(update={"kind": "explicit", "weights": tuple(weights.items())})
    return op.model_copy(update={"mixture": mixture})


def best(found: Bands, quotas: Sequence[model.Quota], law: model.LawFacts, total: float) -> Array:
    """Tokens (m, q) of the best mixture. Where the bounds leave none, they are left out: the allocation, which comes
    after, tells of bounds that cannot hold."""
    total = min(total, float(found.most.sum()))
    if not total > 0:
        return np.zeros_like(found.unique)
    quality = np.exp(-law.theta * np.arange(found.unique.shape[1]))[None] * np.ones_like(found.unique)
    # Limits below one copy make fewer tokens reachable than there are.
    unique = np.minimum(found.unique, found.most)
    cap = np.where(unique > 0, np.minimum(found.most, total), 0.0)
    rows = len(found.domains)
    free = optimum.Problem(quality, unique, cap, np.zeros(rows), np.full(rows, np.inf), total, law.absorption)
    try:
        return optimum.best(replace(free, groups=groups(found, quotas, total)))
    except ValueError:
        return optimum.best(free)


def groups(found: Bands, quotas: Sequence[model.Quota], total: float) -> tuple[optimum.Group, ...]:
    """The quotas as bounds on rows, of domains and of parts of them."""
    result = []
    nested = [quota for quota in quotas if quota.conditions]
    for quota in quotas:
        bit = nested.index(quota) if quota.conditions else None
        rows = frozenset(
            row
            for row, (domain, bits) in enumerate(zip(found.domains, found.nests, strict=True))
            if domain == quota.domain and (bit is None or bits >> bit & 1)
        )
        if rows:
            least, most = bounds(quota, total)
            result.append(optimum.Group(rows, least, most))
    return tuple(result)
