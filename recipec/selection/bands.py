"""The pool and what is drawn from it, by domain and quality band: the input of laws of loss.

A band is a range of ranks (InfoLaw's six: the best 5% of tokens, the next 15%, then four of 20%). A document that spans
two bands, or many documents with the same rank, count proportionally in each; without criteria there is no rank, and
the tokens of a domain are distributed evenly over all bands.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.database.sql import literal
from recipec.ir import model
from recipec.laws import optimum
from recipec.laws.runs import BANDS
from recipec.selection.allocation import bounds

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MANY = 1_000_000_000
"""A repetition limit larger than any that matters, so that sums stay within 128 bits."""

FINE = 1 << 20
"""Fixed-point factor of non-integer limits, so that sums do not depend on the order of rows."""


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


def bands(
    connection: DuckDBPyConnection, table: str, *, limit: str, copies: str, count: int, whole: bool, nest: str = "0"
) -> Bands:
    """The sums of a ranked table or a ledger.

    Args:
        table: a table expression with domain, rank, tokens, bad and rejected_by.
        limit: SQL of R_i, infinity if there is none.
        copies: SQL of the number of copies drawn.
        count: the number of bands.
        whole: whether ranks are shares of the whole pool (`sample top`) instead of the domain.
        nest: SQL of the bits of nested quotas that separate rows.
    """
    upper = edges(count)
    lower = (0.0, *upper[:-1])
    rows = connection.execute(_query(table, limit, copies, lower, nest)).fetchall()
    keys = tuple(sorted({(row[0], row[1]) for row in rows}))
    masses: dict[str, int] = defaultdict(int)
    tied: dict[tuple[str, int], int] = defaultdict(int)  # tokens of the first rank of a band, over all nests
    for domain, _, band, _, first, mass, *_ in rows:
        masses[domain] += int(mass)
        tied[domain, band] += int(mass) if first else 0
    whole_mass = sum(masses.values())
    values = np.zeros((4, len(keys), count))
    for domain, bits, band, rank, first, mass, usable, unlimited, most, drawn, fresh in rows:
        sums = np.array([float(usable), math.inf if unlimited else float(most) / FINE, float(drawn), float(fresh)])
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


def _query(table: str, limit: str, copies: str, lower: Sequence[float], nest: str) -> str:
    """SQL of integer sums by domain and band; those with the band's first rank are separate, as only they may extend
    into lower bands."""
    band = " + ".join(f"(rank > {literal(float(edge))}) :: INTEGER" for edge in lower[1:]) or "0"
    return f"""
        WITH pool AS (
            SELECT domain, CAST({nest} AS BIGINT) AS nest, rank,
                CASE WHEN rank IS NULL THEN 0 ELSE {band} END AS band, CAST(tokens AS BIGINT) AS tokens,
                {limit} AS r, {copies} AS copies
            FROM {table} WHERE bad IS NULL AND rejected_by IS NULL
        ), firsts AS (
            SELECT domain, band, min(rank) AS first FROM pool GROUP BY domain, band
        )
        SELECT pool.domain, pool.nest, pool.band, any_value(first), rank IS NOT DISTINCT FROM first AS at_first,
            sum(tokens), coalesce(sum(tokens) FILTER (r >= 1), 0), count(*) FILTER (isinf(r) AND tokens > 0) > 0,
            sum(CAST(round(tokens * CASE WHEN isinf(r) THEN 0 ELSE least(r, {MANY}) END * {FINE}) AS HUGEINT)),
            sum(tokens * CAST(copies AS HUGEINT)), coalesce(sum(tokens) FILTER (copies > 0), 0)
        FROM pool JOIN firsts ON pool.domain = firsts.domain AND pool.band = firsts.band
        GROUP BY pool.domain, pool.nest, pool.band, at_first ORDER BY pool.domain, pool.nest, pool.band, at_first
    """
