"""From a measurement and a recipe to TiKMiX's problem: the prior, and bounds from quotas and repetition limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.ir import model
from recipec.proxies import regression
from recipec.selection.projection import Node, shared_out
from recipec.tikmix.measurement import Measured
from recipec.tikmix.problem import InfluenceProblem
from recipec.tikmix.solver import solve

STABLE = 0.5
"""Mean rank correlation between parts of the sample below which a task's ranking of domains counts as noise."""


def problem(
    measured: Measured, recipe: model.Recipe, *, within: bool = False, drawn: Mapping[str, float] | None = None
) -> InfluenceProblem:
    """The problem of a recipe. The prior is the recipe's mixture if stated explicitly, else the pool's token shares.

    Args:
        within: whether the prior is moved to the nearest weights within the quotas and repetition limits.
        drawn: tokens of each domain that earlier phases draw, which count against the repetition limits.

    Raises:
        Failure: its mixture has other domains than the pool.
    """
    pool = np.array(measured.pool, float)
    prior = pool / pool.sum()
    if isinstance(recipe.mixture, model.Shares | model.FromFile):
        prior = _explicit(measured, recipe.mixture)
    low, high = _bounds(measured, recipe, drawn or {})
    if within and low.sum() <= 1 <= high.sum():
        nodes = [Node(low[j], high[j], j, prior[j]) for j in range(len(prior))]
        prior = np.array(list(shared_out(nodes, 1.0).values()))
    influence = np.array(measured.shards).mean(axis=0)
    return InfluenceProblem(measured.tasks, measured.domains, influence, prior, low, high)


def _explicit(measured: Measured, mixture: model.Shares | model.FromFile) -> Array:
    weights = dict(mixture.weights)
    unknown = [name for name in weights if name not in measured.domains]
    if unknown:
        raise Failure(
            *(
                Diagnostic(
                    "R1301",
                    f"the mixture has the domain `{name}`, which is not in the pool",
                    mixture.origin.span if mixture.origin else None,
                    helps=did_you_mean(name, measured.domains),
                )
                for name in unknown
            )
        )
    return np.array([weights.get(name, 0.0) for name in measured.domains])


def _bounds(measured: Measured, recipe: model.Recipe, drawn: Mapping[str, float]) -> tuple[Array, Array]:
    """Bounds (low, high) of the weights from quotas of whole domains and from repetition limits under the budget."""
    budget = recipe.budget.tokens if recipe.budget is not None else None
    low, high = np.zeros(len(measured.domains)), np.ones(len(measured.domains))
    for j, name in enumerate(measured.domains):
        for quota in recipe.quotas:
            if quota.domain == name and not quota.conditions:
                low[j] = max(low[j], _share(quota.least, budget, 0.0))
                high[j] = min(high[j], _share(quota.most, budget, 1.0))
        limit = recipe.limit(name)
        if budget and limit is not None and limit.most is not None:
            left = measured.pool[j] * limit.most - drawn.get(name, 0.0)
            high[j] = min(high[j], max(low[j], left / budget))
    return low, high


def _share(amount: model.Amount | None, budget: float | None, otherwise: float) -> float:
    if amount is None:
        return otherwise
    if amount.kind == "share":
        return float(amount.value)
    return min(1.0, amount.value / budget) if budget else otherwise


def errors(measured: Measured, whole: InfluenceProblem) -> tuple[Array, Array]:
    """Standard errors of S (n, m), from its parts, and of the weights (m,), by leaving each part out (jackknife)."""
    parts = np.array(measured.shards)
    count = len(parts)
    if count < 2:
        return np.zeros(parts.shape[1:]), np.zeros(parts.shape[2])
    left = [(parts.sum(axis=0) - part) / (count - 1) for part in parts]

    weights = np.array([solve(replace(whole, influence=one)).weights for one in left])
    spread = ((weights - weights.mean(axis=0)) ** 2).sum(axis=0)
    return parts.std(axis=0, ddof=1) / np.sqrt(count), np.sqrt(spread * (count - 1) / count)


def stability(measured: Measured) -> tuple[float, ...]:
    """Per task the mean rank correlation between parts of the sample: near 1 if the ranking of domains is reliable."""
    parts = np.array(measured.shards)
    pairs: list[tuple[int, int]] = [(a, b) for a in range(len(parts)) for b in range(a)]
    if not pairs:
        return tuple(1.0 for _ in measured.tasks)
    found = [[regression.spearman(parts[a, i], parts[b, i]) for a, b in pairs] for i in range(parts.shape[1])]
    return tuple(float(np.mean(one)) for one in found)


def noise(measured: Measured) -> tuple[str, ...]:
    """Warnings about tasks whose ranking of domains is within noise."""
    return tuple(
        f"the order of domains for `{task}` is within noise: parts of the sample agree by only {value:.2f}"
        for task, value in zip(measured.tasks, stability(measured), strict=True)
        if value < STABLE
    )


SAME_TOKENS = 0.05
"""Relative difference between the checkpoint's and the recipe's token counts above which a warning is given."""


def recounted(measured: Measured) -> tuple[str, ...]:
    """Warning if the tokenizer counts differently from the recipe, whose quotas and budget are in its own tokens."""
    if abs(measured.ratio - 1) <= SAME_TOKENS:
        return ()
    where = f"`{measured.options.checkpoint}`"
    return (f"the tokenizer of {where} makes {measured.ratio:.2f} tokens per token that the recipe counts",)


def thin(measured: Measured) -> tuple[str, ...]:
    """Warnings about domains with less text than requested."""
    asked = measured.options.tokens // measured.options.length * measured.options.length
    return tuple(
        f"domain `{name}` has only {tokens:,} of {asked:,} tokens for its sample"
        for name, tokens in zip(measured.domains, measured.domain_tokens, strict=True)
        if tokens < asked
    )
