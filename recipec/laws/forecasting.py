"""Applies a law to the cells (domain × quality band) of a planned dataset: loss, waste, marginal values, best mixture.

Each function takes `unique`, `drawn` and `fresh` (m, q) as summed by `selection.bands`: tokens of the pool, tokens
drawn with repeats, and distinct tokens among those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recipec.arrays import Array
from recipec.laws import optimum
from recipec.laws.form import Law
from recipec.laws.information import absorption
from recipec.laws.lawfile import LEVEL, LawFile
from recipec.laws.runs import Runs

BILLION = 1e9

SAMPLES = 40
"""Number of bootstrap samples of a law for which the best mixture is recomputed, for its interval."""

CAPS = 24
"""Number of repetition limits that are tried for a law in which repetition does harm."""


@dataclass(frozen=True, slots=True)
class Composition:
    """The cells of a mixture and their bounds; a row is a domain, or a part of one with its own quota.

    Attributes:
        unique, drawn: (m, q) as above.
        most: (m, q) maximum tokens of a cell under the repetition limits.
        groups: the quotas.
        domains: (m,) the number of each row's domain.
    """

    unique: Array
    drawn: Array
    most: Array
    groups: tuple[optimum.Group, ...]
    domains: tuple[int, ...]


def runs(params: float, drawn: Array, fresh: Array) -> Runs:
    """The cells as one run with one column per cell."""
    bands = tuple(band for _ in range(drawn.shape[0]) for band in range(drawn.shape[1]))
    return Runs(np.array([params]), drawn.reshape(1, -1), fresh.reshape(1, -1), np.array([np.nan]), bands)


def loss(file: LawFile, params: float, drawn: Array, fresh: Array) -> float:
    with np.errstate(all="ignore"):
        return float(file.form.loss(file.theta, runs(params, drawn, fresh))[0])


def information(file: LawFile, params: float, drawn: Array, fresh: Array) -> Array | None:
    """Information by domain (m,), in 10⁹ token-nats; None for laws without it."""
    if file.form.info is None:
        return None
    return np.asarray(file.form.info(file.theta, runs(params, drawn, fresh)).reshape(drawn.shape).sum(axis=1))


def sees_repetition(law: Law) -> bool:
    return law.info is not None or "R_D" in law.names


def wasted(file: LawFile, params: float, drawn: Array, fresh: Array) -> float | None:
    """The share lost to repetition of what the tokens would teach if all were distinct; None if the law ignores it.

    For laws with information: 1 − info/info(all distinct); for Muennighoff's: 1 − D'/D, D' the effective data.
    """
    info, could = information(file, params, drawn, fresh), information(file, params, drawn, drawn)
    if info is not None and could is not None:
        return float(1 - info.sum() / could.sum())
    if not sees_repetition(file.form):
        return None
    constant = file.parameters["R_D"].value
    unique, total = fresh.sum(), drawn.sum()
    effective = unique + unique * constant * -np.expm1(-(total / unique - 1) / constant)
    return float(1 - effective / total)


def more_read(file: LawFile, params: float, unique: Array, drawn: Array, fresh: Array) -> Array:
    """Change of loss (m,) by one more billion tokens of a domain, drawn as now: new ones while its pool has them."""
    now = loss(file, params, drawn, fresh)
    totals, result = drawn.sum(axis=1), np.zeros(len(drawn))
    for index in np.flatnonzero(totals > 0):
        factor = 1 + BILLION / totals[index]
        more, new = drawn.copy(), fresh.copy()
        more[index] *= factor
        new[index] = np.minimum(np.maximum(unique[index], fresh[index]), fresh[index] * factor)
        result[index] = loss(file, params, more, new) - now
    return result


def more_found(file: LawFile, params: float, unique: Array, drawn: Array, fresh: Array) -> Array:
    """Change of loss (m,) by one more billion unique tokens in a domain's pool, at the same dataset size: they replace
    repeats."""
    now = loss(file, params, drawn, fresh)
    pools, result = unique.sum(axis=1), np.zeros(len(drawn))
    for index in np.flatnonzero((pools > 0) & (drawn.sum(axis=1) > 0)):
        new = fresh.copy()
        new[index] = np.minimum(drawn[index], fresh[index] * (1 + BILLION / pools[index]))
        result[index] = loss(file, params, drawn, new) - now
    return result


def best(file: LawFile, params: float, pool: Composition, *, theta: Array | None = None) -> Array | None:
    """The tokens (domains, q) of the best mixture with as many tokens as are drawn; None if the law does not
    distinguish cells.

    For infolaw it is exact. infolaw+ adds harm by repetition, which is not convex: for that the best information is
    computed under several repetition limits, and the one with the lowest loss is taken.

    Args:
        theta: the law's parameters; None for those in the file.
    """
    if file.form.info is None:
        return None
    theta = file.theta if theta is None else theta
    given = problem(pool, theta, float(absorption(theta, np.array([params]))[0]))
    harmful = file.law == "infolaw+"
    ratio = np.divide(given.most, given.unique, out=np.ones_like(given.most), where=given.unique > 0)
    caps = np.geomspace(1.0, min(max(float(ratio.max()), 1.0), 1e4), CAPS) if harmful else [np.inf]
    found = [merged(pool, pool.drawn)] if harmful else []
    for cap in caps:
        limited = np.where(given.unique > 0, np.minimum(given.most, given.unique * cap), 0.0)
        try:
            found.append(merged(pool, optimum.best(replace(given, most=limited))))
        except ValueError:
            continue
    unique = merged(pool, pool.unique)

    def loss_of(tokens: Array) -> float:
        with np.errstate(all="ignore"):
            return float(file.form.loss(theta, runs(params, tokens, np.minimum(tokens, unique)))[0])

    return min(found, key=loss_of, default=merged(pool, pool.drawn))


def problem(pool: Composition, theta: Array, absorbed: float) -> optimum.Allowance:
    """The water-filling problem of a pool.

    The drawn tokens satisfy the bounds up to less than a document per domain, so the bounds are widened by that
    much."""
    drawn, total = pool.drawn, float(pool.drawn.sum())
    rows = len(drawn)
    groups = []
    for group in pool.groups:
        has = float(drawn[sorted(group.rows)].sum())
        groups.append(optimum.Group(group.rows, min(group.least, has), max(group.most, has)))
    quality = np.exp(-theta[0] * np.arange(drawn.shape[1]))[None] * np.ones_like(drawn)
    most = np.where(pool.unique > 0, np.minimum(np.maximum(pool.most, drawn), total), 0.0)
    return optimum.Allowance(
        quality, pool.unique, most, np.zeros(rows), np.full(rows, np.inf), total, absorbed, tuple(groups)
    )


def merged(pool: Composition, values: Array) -> Array:
    """Sums the rows of values (m, q) by domain."""
    result = np.zeros((max(pool.domains) + 1, values.shape[1]))
    np.add.at(result, np.array(pool.domains), values)
    return result


def best_interval(file: LawFile, params: float, pool: Composition) -> tuple[Array, Array] | None:
    """The 95 % interval of each domain's share of the best mixture, over the law's bootstrap samples; None without."""
    step = max(1, len(file.samples) // SAMPLES)
    found = [best(file, params, pool, theta=np.array(sample)) for sample in file.samples[::step][:SAMPLES]]
    shares = [tokens.sum(axis=1) / tokens.sum() for tokens in found if tokens is not None]
    if not shares:
        return None
    low, high = np.quantile(np.stack(shares), LEVEL, axis=0)
    return np.asarray(low), np.asarray(high)
