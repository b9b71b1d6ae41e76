"""The documents within ω, without sorting more than what can be within it (QuaDMix, arXiv 2504.16511, eq. 2 and 3).

QuaDMix's curve only depends on ranks up to ω; beyond it, every document has the same expectation ε. So one pass finds the
documents that may be within ω, and only these are sorted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from recipec.arrays import Array
from recipec.selection.exact import rounded
from recipec.selection.parts import Part
from recipec.selection.quality import Quality, pieces, ties

SAMPLE = 8192
"""Number of documents of a domain from which the quality at ω is estimated."""

SPREAD = 1 << 26
"""Factor that moves the low bits of a draw to the front: a second draw, independent of the first."""

Ties = Literal["share", "split"]


@dataclass(frozen=True, slots=True)
class Head:
    """The documents of a part within ω.

    Attributes:
        rows: (k,) their numbers in the part, ascending; `expected`: (k,) S, a multiple of 2⁻⁴⁰.
        first: the best rank of the part, infinite without documents.
    """

    rows: Array
    expected: Array
    first: float = math.inf


NOTHING = Head(np.empty(0, np.int64), np.empty(0))


def curve(ranks: Array, lambda_: float, omega: float, eta: float, epsilon: float) -> Array:
    """S (k,) of documents within ω (eq. 3), as a multiple of 2⁻⁴⁰."""
    with np.errstate(over="ignore"):
        return rounded((2 / (1 + np.exp(-lambda_ * (omega - ranks)))) ** eta + epsilon)


def head(part: Part, quality: Quality, weights: Array, shape: Array, equal: Ties = "share") -> Head:
    """The documents of a domain within ω.

    Args:
        weights: (N,) of the criteria; `shape`: (4,) λ, ω, η, ε.
        equal: whether documents of equal quality share a rank, or are ordered by a draw.
    """
    total = part.total
    if not total:
        # Ranks of empty documents are not numbers, so that none is within ω.
        return NOTHING
    lambda_, omega, eta, epsilon = shape.tolist()
    # Of few documents, finding the ones within ω costs more than sorting all.
    most = math.inf if part.size <= SAMPLE else _guess(part, quality, weights, omega, total)
    near, q = within(part, quality, weights, most)
    if len(near) < part.size and int(part.tokens[near].sum(dtype=np.int64)) / total <= omega:
        near, q = within(part, quality, weights, math.inf)
    order, ranks = ranked(part, quality, near, q, total, equal)
    inside = int(np.searchsorted(ranks, omega, side="right"))
    rows, expected = near[order[:inside]], curve(ranks[:inside], lambda_, omega, eta, epsilon)
    sort = np.argsort(rows)
    return Head(rows[sort], expected[sort], float(ranks[0]))


def ranked(
    part: Part, quality: Quality, near: Array, q: Array, total: int, equal: Ties = "share"
) -> tuple[Array, Array]:
    """The order of some documents (k,) by quality, and their ranks (k,) in that order: shares of the part's tokens.

    Args:
        near: (k,) numbers of the documents, all of the part's that are as good as the worst of them.
    """
    if equal == "split":
        spread = np.modf(quality.columns["draw"][part.places()][near] * SPREAD)[0]
        order = np.lexsort((spread, q))
        return order, part.tokens[near[order]].cumsum(dtype=np.int64) / total
    order = np.argsort(q)
    above = part.tokens[near[order]].cumsum(dtype=np.int64)
    # Ties share the largest rank: the place of the last document that is as good.
    last, runs = ties(q[order])
    return order, np.repeat(above[last] / total, runs)


def within(part: Part, quality: Quality, weights: Array, most: float) -> tuple[Array, Array]:
    """The documents (k,) whose merged quality is at most `most`, and that quality (k,)."""
    found, values = [np.empty(0, np.int64)], [np.empty(0)]
    for start, stop in pieces(part.size):
        q = quality.merged(part, weights, start, stop)
        if most == math.inf:
            found.append(np.arange(start, stop))
            values.append(q)
            continue
        inside = np.flatnonzero(q <= most)
        found.append(inside + start)
        values.append(q[inside])
    return np.concatenate(found), np.concatenate(values)


def _guess(part: Part, quality: Quality, weights: Array, omega: float, total: int) -> float:
    """A merged quality that is very likely beyond ω, estimated from every k-th document."""
    step = max(1, part.size // SAMPLE)
    some = Part(part.number, _every(part, step), part.tokens[::step], part.draws[::step], ())
    q = quality.merged(some, weights)
    weight = some.tokens
    order = np.argsort(q)
    share = weight[order].cumsum(dtype=np.int64) / max(int(weight.sum(dtype=np.int64)), 1)
    # Few long documents move a share of tokens more than many equal ones.
    size = int(weight.sum(dtype=np.int64)) ** 2 / max(float((weight.astype(float) ** 2).sum()), 1.0)
    beyond = omega + 4 * math.sqrt(max(omega * (1 - omega), 1e-4) / max(size, 1.0)) + 2 / max(size, 1.0)
    place = int(np.searchsorted(share, beyond))
    return float(q[order[place]]) if place < len(order) else math.inf


def _every(part: Part, step: int) -> slice | Array:
    rows = part.places()
    if isinstance(rows, slice):
        return slice(rows.start, rows.stop, step)
    found: Array = rows[::step]
    return found


def best(parts: Sequence[Part], quality: Quality, top: Sequence[int], weights: Array, share: float) -> tuple[Head, ...]:
    """The documents of each part among the best share of the whole pool's tokens (`sample top`), each expected once.

    With M criteria a document's rank is M times its best one, so that each criterion gets 1/M of the share; ties are in
    the order of source and id.

    Args:
        top: the numbers of the criteria; () for the merged quality, with `weights` (M, N).
    """
    total = sum(part.total for part in parts)
    chosen: list[list[Array]] = [[] for _ in parts]
    for number in top or (None,):
        order, offsets, above = order_of_all(parts, quality, number, weights)
        count = int(np.searchsorted(max(len(top), 1) * above / max(total, 1), share, side="right"))
        mine = np.sort(order[:count])
        for place, (start, stop) in enumerate(pairwise(offsets)):
            inside = mine[np.searchsorted(mine, start) : np.searchsorted(mine, stop)]
            chosen[place].append(inside - start)
    rows = [np.unique(np.concatenate(one)) for one in chosen]
    return tuple(Head(found, np.ones(len(found)), 0.0) for found in rows)


def order_of_all(
    parts: Sequence[Part], quality: Quality, number: int | None, weights: Array
) -> tuple[Array, list[int], Array]:
    """The whole pool by one criterion, or by the merged quality: the order (n,) of documents, numbered from the first
    part to the last; where each part starts; and cumulative tokens (n,) in that order."""
    offsets = [0, *np.cumsum([part.size for part in parts]).tolist()]
    rows = [np.arange(len(quality.columns["tokens"]))[part.places()] for part in parts]
    places = np.concatenate([np.empty(0, np.int64), *rows])
    if number is None:
        found = [quality.merged(part, weights[part.number]) for part in parts]
        values = np.concatenate([np.empty(0), *found])
    else:
        values = quality.turned(number, places)
    order = np.lexsort((quality.columns["place"][places], values))
    above = quality.columns["tokens"][places[order]].cumsum(dtype=np.int64)
    return order, offsets, above
