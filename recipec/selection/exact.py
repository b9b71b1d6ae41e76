"""Sums of products of whole numbers that no order, thread or processor can change."""

from __future__ import annotations

import numpy as np

from recipec.arrays import Array

LIMB, EXACT = 2.0**20, 2.0**53
"""Half of a fraction's bits; the whole numbers below the second are exact as floats."""

HALF = 31
"""Bits of a piece of a whole number: products of two pieces fit in 62 bits."""

FRACTION = 40
"""Expected copies are multiples of 2 to the power of minus this, so that another `exp` gives the same documents."""


def rounded(expected: Array) -> Array:
    """Expected copies S rounded to a multiple of 2⁻⁴⁰, halves upward."""
    found: Array = np.floor(np.ldexp(expected, FRACTION) + 0.5)
    return np.ldexp(found, -FRACTION)


def dot(left: Array, right: Array) -> int:
    """Σ left·right of two arrays (n,) of whole numbers of at least 0, exactly."""
    if not len(left):
        return 0
    left, right = left.astype(np.uint64), right.astype(np.uint64)
    if left.max() > right.max():
        left, right = right, left
    largest = int(left.max()) * int(right.max())
    if largest >= 1 << 2 * HALF:
        low, high = right & np.uint64((1 << HALF) - 1), right >> np.uint64(HALF)
        return dot(left, low) + (dot(left, high) << HALF)
    products = left * right
    step = (1 << 2 * HALF) // max(largest, 1)
    if step >= len(products):
        return int(products.sum())
    return sum(np.add.reduceat(products, np.arange(0, len(products), step)).tolist())


def weighted(tokens: Array, amounts: Array) -> float:
    """Σ tokens·amounts, where amounts (n,) are finite multiples of 2⁻⁴⁰: the exact sum, rounded once."""
    whole = np.floor(amounts)
    fraction = (amounts - whole) * float(1 << FRACTION)
    if len(tokens) and float(tokens.max()) * max(float(whole.max()), LIMB) * len(tokens) < EXACT:
        # Sums of whole numbers that floats hold exactly, whatever their order.
        high = np.floor(fraction / LIMB)
        t = tokens.astype(np.float64, copy=False)
        low, middle, units = (int(np.dot(t, part)) for part in (fraction - high * LIMB, high, whole))
        return ((units << FRACTION) + middle * int(LIMB) + low) / (1 << FRACTION)
    return ((dot(tokens, whole) << FRACTION) + dot(tokens, fraction)) / (1 << FRACTION)
