"""Word n-grams of many texts at once, in numpy: hashes of words and n-grams without a Python step per word.

The texts of a batch are concatenated as bytes. A word's hash is a polynomial in its bytes modulo 2^64, computed as the
difference of two prefix sums; an n-gram's hash is a polynomial in its words' hashes. Two different n-grams have the
same hash about once in 10^19 pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from recipec.arrays import Array

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
INVERSE = np.uint64(pow(int(BASE), -1, 2**64))
MIX = np.uint64(0xD6E8FEB86659FD93)

_RANDOM = np.random.Generator(np.random.PCG64(20211208))
BYTE_VALUES: Array = _RANDOM.integers(1, 2**63, 256, dtype=np.uint64)
"""A fixed random number per byte value: plain byte values would make short words collide."""

SPACES = np.zeros(256, dtype=bool)
SPACES[[0, 9, 10, 11, 12, 13, 32]] = True


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a batch of texts, in order.

    Attributes:
        hashes: (W,) uint64.
        lengths: (W,) int64, characters (code points).
        text: (W,) int64, the number of each word's text.
        starts, ends: (W,) int64, byte offsets into `data`.
        data: the UTF-8 bytes of all texts.
        texts: number of texts.
    """

    hashes: Array
    lengths: Array
    text: Array
    starts: Array
    ends: Array
    data: bytes
    texts: int


def words(texts: Sequence[str], separators: Array = SPACES) -> Words:
    """Splits texts into words: runs of bytes that are not separators.

    Args:
        separators: (256,) bool; must include the byte 0, which separates texts.
    """
    # A NUL inside a text would look like its end.
    data = "\0".join([text.replace("\0", " ") for text in texts]).encode("utf-8", "surrogatepass") + b"\0"
    raw = np.frombuffer(data, dtype=np.uint8)
    inside = np.concatenate(([False], ~separators[raw], [False]))
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[0::2], edges[1::2]
    ends_of_texts = np.flatnonzero(raw == 0)
    powers = _powers(BASE, len(raw))
    prefix = np.concatenate((np.zeros(1, np.uint64), np.cumsum(BYTE_VALUES[raw] * powers, dtype=np.uint64)))
    hashes = (prefix[ends] - prefix[starts]) * _powers(INVERSE, len(raw))[starts]
    return Words(
        hashes=_mixed(hashes),
        lengths=_characters(data, raw, starts, ends),
        text=np.searchsorted(ends_of_texts, starts),
        starts=starts,
        ends=ends,
        data=data,
        texts=len(texts),
    )


def ngrams(found: Words, n: int) -> tuple[Array, Array]:
    """The hashes (uint64) of all n-grams that lie within one text, and the index of the first word of each."""
    count = len(found.hashes) - n + 1
    if count <= 0:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    result = np.zeros(count, np.uint64)
    for offset in range(n):
        result = _mixed(result * BASE + found.hashes[offset : offset + count])
    first = np.flatnonzero(found.text[:count] == found.text[n - 1 :])
    return result[first], first


def per_text(found: Words, values: Array, at: Array) -> Array:
    """Sums `values` by the text of the words `at`; (texts,) float64."""
    sums: Array = np.bincount(found.text[at], weights=values, minlength=found.texts)
    return sums


def _characters(data: bytes, raw: Array, starts: Array, ends: Array) -> Array:
    """The number of code points of each word."""
    if data.isascii():
        return np.asarray(ends - starts)
    first_bytes = ((raw & 0xC0) != 0x80).view(np.uint8)
    before = np.concatenate(([0], np.cumsum(first_bytes, dtype=np.int64)))
    return np.asarray(before[ends] - before[starts])


def _powers(base: np.uint64, count: int) -> Array:
    """The powers of a base from 0 to count - 1, modulo 2^64; those of common sizes are kept."""
    return _kept_powers(base)[:count] if count <= KEPT else _made_powers(base, count)


KEPT = 1 << 21
"""Bytes of text for which powers are kept, 8 bytes each: more than most batches have."""


@cache
def _kept_powers(base: np.uint64) -> Array:
    return _made_powers(base, KEPT)


def _made_powers(base: np.uint64, count: int) -> Array:
    factors = np.full(count, base, dtype=np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _mixed(values: Array) -> Array:
    values = (values ^ (values >> np.uint64(32))) * MIX
    mixed: Array = values ^ (values >> np.uint64(32))
    return mixed
