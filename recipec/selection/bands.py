"""The pool and what is drawn from it, by domain and quality band: the input of laws of loss.

A band is a range of ranks (InfoLaw's six: the best 5% of tokens, the next 15%, then four of 20%). A document that spans
two bands, or many documents with the same rank, count proportionally in each; without criteria there is no rank, and
the tokens of a domain are distributed evenly over all bands.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recipec.arrays import Array
from recipec.ir import model
from recipec.laws import optimum
from recipec.laws.runs import BANDS
from recipec.selection.allocation import bounds
from recipec.selection.decisions import all_ranks
from recipec.selection.kernel import Drawn, Ranked

MANY = 1_000_000_000
"""A repetition limit larger than any that matters, so that sums stay within 128 bits."""


@dataclass(frozen=True, slots=True)
class Bands:
    """m domains × q bands, in tokens (m, q). With nested quotas, a domain has one row per combination.

    Attributes:
        nests: (m,) the bits of the nested quotas of each row; 0 if nested quotas were not requested.
        unique: tokens of the pool's documents that may be drawn at all.
        most: the most tokens that the repetition limits allow; inf without limits.
        drawn, fresh: tokens drawn including repeats, and distinct tokens among them; 0 before the draw.
    """

    domains: tuple[str, ...]
    nests: tuple[int, ...]
    unique: Array
    most: Array
    drawn: Array
    fresh: Array


def edges(bands: int) -> tuple[float, ...]:
    """The upper ranks of the bands, the last being 1: InfoLaw's for six bands, else equal shares."""
    shares = BANDS if bands == len(BANDS) else (1 / bands,) * bands
    upper = [float(round(value, 12)) for value in np.cumsum(shares)]
    return (*upper[:-1], 1.0)


def bands(found: Ranked, drawn: Drawn | None, count: int, *, nested: bool) -> Bands:
    """The sums over a pool.

    Args:
        drawn: its draw, or None for before the draw. What earlier phases drew counts.
        count: the number of bands.
        nested: whether parts of domains under different nested quotas get separate rows.
    """
    upper = edges(count)
    lower = (0.0, *upper[:-1])
    # Ranks of `sample top` are shares of the whole pool.
    whole = found.rules.top is not None
    rows = list(_rows(found, drawn, lower, nested))
    keys = tuple(sorted({(row[0], row[1]) for row in rows}))
    masses: dict[str, int] = defaultdict(int)
    tied: dict[tuple[str, int], int] = defaultdict(int)  # tokens of the first rank of a band, over all nests
    for domain, _, band, _, first, mass, *_ in rows:
        masses[domain] += int(mass)
        tied[domain, band] += int(mass) if first else 0
    whole_mass = sum(masses.values())
    values = np.zeros((4, len(keys), count))
    for domain, bits, band, rank, first, mass, usable, unlimited, most, given, fresh in rows:
        sums = np.array([float(usable), math.inf if unlimited else float(most), float(given), float(fresh)])
        parts = np.zeros(count)
        if first and mass:
            stop = 1.0 if rank is None else float(rank)
            start = 0.0 if rank is None else stop - tied[domain, band] / (whole_mass if whole else masses[domain])
            parts[:] = overlap(max(start, 0.0), stop, lower, upper)
        else:
            parts[band] = 1.0
        reached = parts > 0
        values[:, keys.index((domain, bits)), reached] += sums[:, None] * parts[reached]
    return Bands(tuple(key[0] for key in keys), tuple(key[1] for key in keys), *(np.asarray(part) for part in values))


def overlap(start: float, stop: float, lower: Sequence[float], upper: Sequence[float]) -> Array:
    """(q,) the fraction of a range of ranks in each band; they sum to 1."""
    inside = np.maximum(np.minimum(stop, upper) - np.maximum(start, lower), 0.0)
    return np.asarray(inside / inside.sum())


def groups(found: Bands, quotas: Sequence[model.Quota], total: float) -> tuple[optimum.Group, ...]:
    """The quotas as bounds on rows, for domains and for parts of domains."""
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


def _rows(found: Ranked, drawn: Drawn | None, lower: Sequence[float], nested: bool) -> Iterator[tuple[Any, ...]]:
    """Sums by domain, nest and band; those with the band's first rank are separate, as only they may extend into lower
    bands: (domain, nest, band, first rank, at it, tokens, tokens that may be drawn, whether some have no limit, the most
    tokens of the others, drawn tokens, distinct ones)."""
    left = found.ready.left
    copies = drawn.copies() if drawn is not None else np.zeros(found.ready.columns.layout.rows)
    for part, _, ranks in all_ranks(found):
        tokens = part.tokens.astype(np.float64)
        limits = part.spread([block.limit for block in part.blocks])
        given = copies[part.places()]
        if left is not None and drawn is not None:
            limits, given = limits + left.before[part.places()], given + left.before[part.places()]
        nests = part.spread([block.nest if nested else 0 for block in part.blocks])
        band = np.zeros(part.size, np.int64) if ranks is None else np.searchsorted(lower[1:], ranks, side="left")
        firsts = np.full(len(lower), np.inf)
        if ranks is not None:
            np.minimum.at(firsts, band, ranks)
        at_first = np.ones(part.size, bool) if ranks is None else (ranks == firsts[band]) | np.isnan(ranks)
        bits, place = np.unique(nests, return_inverse=True)
        group = (place * len(lower) + band) * 2 + at_first
        size = len(bits) * len(lower) * 2
        finite = np.where(np.isinf(limits), 0.0, np.minimum(limits, MANY))
        parts = (tokens, tokens * (limits >= 1), tokens * np.isinf(limits), tokens * finite, tokens * given)
        sums = [np.bincount(group, weights=one, minlength=size) for one in (*parts, tokens * (given > 0))]
        name = found.ready.columns.domains[part.number]
        for key in np.flatnonzero(np.bincount(group, minlength=size)):
            where, number = divmod(int(key) // 2, len(lower))
            mass, usable, free, most, sold, fresh = (float(one[key]) for one in sums)
            first = None if ranks is None else float(firsts[number])
            yield name, int(bits[where]), number, first, bool(key % 2), mass, usable, free > 0, most, sold, fresh
