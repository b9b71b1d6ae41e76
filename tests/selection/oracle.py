"""The selection of recipec/docs/selection.md, slow and obvious: loops, lists, one document at a time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Document:
    source: str
    doc_id: str
    domain: str
    tokens: int
    scores: dict[str, float | None]
    rejected: str | None = None
    merged: float = 0.0
    rank: float = 0.0
    expected: float = 0.0
    copies: int = 0


@dataclass
class Curve:
    lambda_: float = 500.0
    omega: float = 0.08
    eta: float = 1.0
    epsilon: float = 0.001


@dataclass
class Recipe:
    seed: int = 0
    normalize: str = "zscore"
    missing: str = "worst"
    directions: dict[str, str] = field(default_factory=dict)
    weights: dict[str | None, dict[str, float]] = field(default_factory=dict)
    curves: dict[str | None, Curve] = field(default_factory=lambda: {None: Curve()})
    cap: float = math.inf


def draw(seed: int, source: str, doc_id: str) -> float:
    digest = hashlib.md5(f"{seed}\x1f{source}\x1f{doc_id}".encode()).digest()
    # DuckDB reads the half of the digest in the machine's order, which is little endian wherever it runs.
    return ((int.from_bytes(digest[8:], "little") >> 12) + 0.5) / 2**52


def normalised(recipe: Recipe, pool: list[Document], name: str, before: list[Document]) -> Callable[[Document], float]:
    """σ over a pool; the worst score is that of all documents `before` those with missing scores were dropped."""
    known = [d.scores[name] for d in before if d.scores[name] is not None]
    values = [value for value in known if value is not None]
    sign = -1.0 if recipe.directions[name] == "higher" else 1.0
    if not values:
        return lambda _: 0.0
    worst = min(values) if recipe.directions[name] == "higher" else max(values)

    def value(document: Document) -> float:
        found = document.scores[name]
        return worst if found is None else found

    if recipe.normalize == "minmax":
        best, width = (max(values), max(values) - min(values)) if sign < 0 else (min(values), max(values) - min(values))
        return lambda d: abs(value(d) - best) / width if width else 0.0
    if recipe.normalize == "rank":
        turned = sorted(sign * value(d) for d in pool)
        return lambda d: sum(other <= sign * value(d) for other in turned) / len(turned)
    mean = sum(values) / len(values)
    std = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return lambda d: sign * (value(d) - mean) / std if std else 0.0


def rank(recipe: Recipe, documents: list[Document]) -> list[Document]:
    """The documents in the pool with merged, rank and expected filled in."""
    for document in documents:
        weights = recipe.weights.get(document.domain, recipe.weights.get(None, {}))
        lacking = [n for n, weight in sorted(weights.items()) if weight and document.scores[n] is None]
        if document.rejected is None and recipe.missing == "drop" and lacking:
            document.rejected = f"missing {lacking[0]}"
    before = [d for d in documents if d.rejected is None or d.rejected.startswith("missing")]
    pool = [d for d in documents if d.rejected is None]
    over = pool if recipe.normalize == "rank" else before
    sigmas = {name: normalised(recipe, over, name, before) for name in recipe.directions}
    for document in pool:
        weights = recipe.weights.get(document.domain, recipe.weights.get(None, {}))
        document.merged = sum(sigmas[name](document) * weights.get(name, 0.0) for name in sorted(recipe.directions))
    for document in pool:
        of_domain = [d for d in pool if d.domain == document.domain]
        good = sum(d.tokens for d in of_domain if d.merged <= document.merged)
        document.rank = good / sum(d.tokens for d in of_domain)
        curve = recipe.curves.get(document.domain, recipe.curves[None])
        document.expected = curve.epsilon
        if document.rank <= curve.omega:
            document.expected += (2 / (1 + math.exp(-curve.lambda_ * (curve.omega - document.rank)))) ** curve.eta
    return pool


def copies(recipe: Recipe, document: Document, scale: float) -> int:
    u = draw(recipe.seed, document.source, document.doc_id)
    return max(0, math.ceil(min(scale * document.expected, recipe.cap) - u))


def drawn(recipe: Recipe, documents: list[Document], scale: float) -> int:
    return sum(document.tokens * copies(recipe, document, scale) for document in documents)


def scale(recipe: Recipe, documents: list[Document], target: float) -> float:
    """The largest scale at which the drawn tokens stay within the target: tried at every step of the staircase."""
    steps = sorted(
        {
            (u + k) / d.expected
            for d in documents
            if d.expected > 0
            for u in [draw(recipe.seed, d.source, d.doc_id)]
            for k in range(int(min(recipe.cap, 50)))
        }
    )
    best = 0.0
    # A copy is drawn from its step on; between two steps nothing changes.
    for below, above in zip([0.0, *steps], steps, strict=False):
        middle = (below + above) / 2
        if drawn(recipe, documents, middle) <= target:
            best = middle
    if drawn(recipe, documents, steps[-1] * 2 if steps else 1.0) <= target:
        best = math.inf
    return best
