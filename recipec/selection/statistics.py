"""Count, mean, standard deviation and range of a criterion over a pool, which no order of its documents can change.

Sums are of whole numbers: distances from the minimum in fixed point, so that no precision is lost if the mean is far
from 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from recipec.arrays import Array
from recipec.ir.selection import Stats

ROWS = 1 << 16
"""Values that are summed at a time: few enough for the processor's cache, and for sums of products of 46 bits."""

BITS = 23
"""Half of the bits of a distance."""


def statistics_of(name: str, values: Array) -> Stats:
    """The statistics of the values (n,) of a criterion, NaN where missing."""
    low, high, count = math.inf, -math.inf, 0
    for start in range(0, len(values), ROWS):
        part = values[start : start + ROWS]
        present = part[~np.isnan(part)]
        count += len(present)
        if len(present):
            low, high = min(low, float(present.min())), max(high, float(present.max()))
    if not count:
        return stats_of(name, (0, len(values), None, None), 0, 0)
    # Without the sign of a negative zero.
    low, high = low + 0.0, high + 0.0
    half, fine = halved(low, high)
    sums = [0, 0, 0, 0, 0]
    for start in range(0, len(values), ROWS):
        part = values[start : start + ROWS].astype(np.float64)
        distance = (part[~np.isnan(part)] * half - low * half) * fine
        whole = np.trunc(distance)
        fixed = (whole + (distance - whole >= 0.5)).astype(np.int64)
        upper, lower = fixed >> BITS, fixed & ((1 << BITS) - 1)
        products = ((upper, upper), (upper, lower), (lower, lower))
        for number, found in enumerate((upper.sum(), lower.sum(), *(np.dot(a, b) for a, b in products))):
            sums[number] += int(found)
    total = (sums[0] << BITS) + sums[1]
    squares = (sums[2] << 2 * BITS) + (sums[3] << BITS + 1) + sums[4]
    return stats_of(name, (count, len(values) - count, low, high), total, squares)


def stats_of(name: str, range_: Sequence[float | None], total: int | None, squares: int | None) -> Stats:
    """The statistics from the fixed-point sums; Python integers are exact."""
    count, missing = int(range_[0] or 0), int(range_[1] or 0)
    low, high = range_[2] or 0.0, range_[3] or 0.0
    if not count:
        return Stats(criterion=name, count=0, missing=missing, mean=0.0, std=0.0, low=0.0, high=0.0)
    half, fine = halved(low, high)
    total, squares = int(total or 0), int(squares or 0)
    mean = min(max(low + total / count / fine / half, low), high)
    std = math.sqrt((count * squares - total * total) / (count * count)) / fine / half
    return Stats(criterion=name, count=count, missing=missing, mean=mean, std=std, low=low, high=high)


def halved(low: float, high: float) -> tuple[float, float]:
    """The factor for values before distances are taken (less than 1 only if a distance would be infinite), and the
    power of two that then scales distances below 2**46, so that the squares of 2**35 rows fit a HUGEINT."""
    half = 1.0 if math.isfinite(high - low) else 0.25
    largest = high * half - low * half
    return half, math.ldexp(1.0, min(46 - math.frexp(largest)[1], 1000)) if largest else 1.0
