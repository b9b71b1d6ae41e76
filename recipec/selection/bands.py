"""The pool and what is drawn from it by domain and quality band: what laws of loss are evaluated on.

A band is a range of ranks (InfoLaw's six: the best 5 % of tokens, the next 15 %, then four of 20 %). A document that
straddles two bands, or many that share one rank, count in each by their part; without criteria there is no rank, and
the tokens of a domain lie in all bands alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipec.database.sql import literal
from recipec.laws.runs import BANDS, Array

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MANY = 1_000_000_000
"""A limit of repetition beyond any that matters, so that sums stay within 128 bits."""

FINE = 1 << 20
"""Fixed point of sums of parts of documents, which must not depend on the order of rows."""


@dataclass(frozen=True, slots=True)
class Bands:
    """m domains × q bands, in tokens (m, q).

    Attributes:
        unique: of the pool's documents that may be drawn at all.
        most: that the repetition limits let be drawn; inf without limits.
        drawn, fresh: drawn with repeats, and distinct among them; 0 before the draw.
    """

    domains: tuple[str, ...]
    unique: Array
    most: Array
    drawn: Array
    fresh: Array


def edges(bands: int) -> tuple[float, ...]:
    """Upper ranks of the bands, the last 1: InfoLaw's where there are six, else equal shares."""
    shares = BANDS if bands == len(BANDS) else (1 / bands,) * bands
    upper = [float(round(value, 12)) for value in np.cumsum(shares)]
    return (*upper[:-1], 1.0)


def bands(connection: DuckDBPyConnection, table: str, *, limit: str, copies: str, count: int, whole: bool) -> Bands:
    """The sums of a ranked table or a ledger.

    Args:
        table: a table expression with domain, rank, tokens, bad and rejected_by.
        limit: SQL of R_i, infinity where there is none.
        copies: SQL of the copies drawn.
        count: how many bands.
        whole: whether ranks are shares of the whole pool (`sample top`) instead of the domain.
    """
    rows = connection.execute(_query(table, limit, copies, count, whole)).fetchall()
    domains = tuple(sorted({row[0] for row in rows}))
    values = np.zeros((4, len(domains), count))
    for domain, band, *sums in rows:
        values[:, domains.index(domain), band] = [float(value) for value in sums]
    return Bands(domains, *(np.asarray(part) for part in values))


def _query(table: str, limit: str, copies: str, count: int, whole: bool) -> str:
    upper = edges(count)
    ranges = ", ".join(
        f"({band}, {literal(float(low))}, {literal(float(high))})"
        for band, (low, high) in enumerate(zip((0.0, *upper[:-1]), upper, strict=True))
    )
    total = f"sum(mass) OVER ({'' if whole else 'PARTITION BY domain'})"

    def part(value: str) -> str:
        return f"CAST(sum(CAST(round({value} * share * {FINE}) AS HUGEINT)) AS DOUBLE) / {FINE}"

    return f"""
        WITH pool AS (
            SELECT domain, rank, CAST(tokens AS BIGINT) AS tokens, {limit} AS r, {copies} AS copies FROM {table}
            WHERE bad IS NULL AND rejected_by IS NULL
        ), ranks AS (
            SELECT domain, rank, CAST(sum(tokens) AS DOUBLE) AS mass,
                CAST(coalesce(sum(tokens) FILTER (r >= 1), 0) AS DOUBLE) AS usable,
                count(*) FILTER (isinf(r) AND tokens > 0) > 0 AS unlimited,
                CAST(sum(CAST(round(tokens * CASE WHEN isinf(r) THEN 0 ELSE least(r, {MANY}) END * {FINE}) AS HUGEINT))
                    AS DOUBLE) / {FINE} AS most,
                CAST(sum(tokens * CAST(copies AS HUGEINT)) AS DOUBLE) AS drawn,
                CAST(coalesce(sum(tokens) FILTER (copies > 0), 0) AS DOUBLE) AS fresh
            FROM pool GROUP BY domain, rank
        ), placed AS (
            SELECT *, CASE WHEN rank IS NULL THEN 0 ELSE greatest(rank - mass / {total}, 0) END AS start,
                coalesce(rank, 1) AS stop
            FROM ranks
        ), spread AS (
            SELECT placed.*, band, (least(stop, high) - greatest(start, low)) / (stop - start) AS share
            FROM placed JOIN (VALUES {ranges}) AS ranges(band, low, high) ON start < high AND stop > low
            WHERE stop > start
        )
        SELECT domain, band, {part("usable")}, CASE WHEN bool_or(unlimited) THEN 'inf' :: DOUBLE ELSE {part("most")} END,
            {part("drawn")}, {part("fresh")}
        FROM spread GROUP BY domain, band ORDER BY domain, band
    """
