"""Word n-grams of many texts at once, in numpy: hashes of words and n-grams without a Python step per word.

The texts of a batch are concatenated. A word's hash is a polynomial in its characters modulo 2^64, computed as the
difference of two prefix sums; an n-gram's hash is a polynomial in its words' hashes. Two different n-grams have the
same hash about once in 10^19 pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from recipec.arrays import Array
from recipec.criteria import _scripts
from recipec.criteria._scripts import MARK, ONE, PART, PARTS_OF_WORD, RUN, SPACE, SYMBOL

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
INVERSE = np.uint64(pow(int(BASE), -1, 2**64))
MIX = np.uint64(0xD6E8FEB86659FD93)

_RANDOM = np.random.Generator(np.random.PCG64(20211208))
ASCII_VALUES: Array = _RANDOM.integers(1, 2**63, 128, dtype=np.uint64)
"""A fixed random number per character: plain code points would make short words collide."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a batch of texts, in order.

    Attributes:
        hashes: (W,) uint64.
        lengths: (W,) int64, characters (code points).
        text: (W,) int64, the number of each word's text.
        starts, ends: (W,) int64, places in `codes`.
        codes: (C,) uint8 or uint32, the code points of all texts.
        scale: (T,) int64, by how much n-grams are longer than n words: `PARTS_OF_WORD` in texts whose words are mostly
            such parts, else 1.
        texts: number of texts.
    """

    hashes: Array
    lengths: Array
    text: Array
    starts: Array
    ends: Array
    codes: Array
    scale: Array
    texts: int

    def shown(self, first: int, count: int = 1) -> str:
        """Some words in a row, with a space between those that do not touch each other."""
        touch = self.starts[first + 1 : first + count] == self.ends[first : first + count - 1]
        pieces = [self._word(first + number) + " " * (not together) for number, together in enumerate(touch)]
        return "".join([*pieces, self._word(first + count - 1)])

    def _word(self, number: int) -> str:
        codes: bytes = self.codes[self.starts[number] : self.ends[number]].astype("<u4").tobytes()
        return codes.decode("utf-32-le", "surrogatepass")


def words(texts: Sequence[str], kinds: Callable[[], Array] = _scripts.kinds) -> Words:
    """Splits texts into words, which are those of `_scripts.word` by default.

    Args:
        kinds: the kinds of code points, (0x110000,) uint8; NUL, which separates texts, must be `SPACE`.
    """
    # A NUL inside a text would look like its end.
    codes = _codes("\0".join([text.replace("\0", " ") for text in texts]) + "\0")
    kind = kinds()[codes]
    starts, ends = _bounds(kind)
    text = np.searchsorted(np.flatnonzero(codes == 0), starts)
    powers = _powers(BASE, len(codes))
    values = ASCII_VALUES if codes.dtype == np.uint8 else _values()
    prefix = np.concatenate((np.zeros(1, np.uint64), np.cumsum(values[codes] * powers, dtype=np.uint64)))
    hashes = (prefix[ends] - prefix[starts]) * _powers(INVERSE, len(codes))[starts]
    return Words(
        hashes=_mixed(hashes),
        lengths=ends - starts,
        text=text,
        starts=starts,
        ends=ends,
        codes=codes,
        scale=_scale(kind, starts, ends, text, len(texts)),
        texts=len(texts),
    )


def _scale(kinds: Array, starts: Array, ends: Array, text: Array, texts: int) -> Array:
    scale = np.ones(texts, dtype=np.int64)
    if (kinds == PART).any():
        before = np.concatenate(([0], np.cumsum(kinds == PART)))
        parts = np.bincount(text, weights=before[ends] > before[starts], minlength=texts)
        scale[2 * parts > np.bincount(text, minlength=texts)] = PARTS_OF_WORD
    return scale


def by_scale(texts: Sequence[str], n: int, value: Callable[[Words, int], Array]) -> Array:
    """The values of texts, (T,) float64, by a function of words and of the n of their n-grams."""
    found = words(texts)
    result = value(found, n)
    longer = np.flatnonzero(found.scale > 1)
    if len(longer):
        result[longer] = value(words([texts[number] for number in longer.tolist()]), n * PARTS_OF_WORD)
    return result


def _codes(text: str) -> Array:
    """The code points of a text, in one byte each if they are ASCII."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


@cache
def _values() -> Array:
    """A number per code point; those of ASCII are the same in texts of ASCII alone."""
    values = _mixed(np.arange(0x110000, dtype=np.uint64) * BASE)
    values[:128] = ASCII_VALUES
    return values


def _bounds(kinds: Array) -> tuple[Array, Array]:
    """The places where words start, and those where they end, among characters of some kinds; the last is a space."""
    inside = kinds != SPACE
    starts = inside & ~_shifted(inside)
    if (kinds >= ONE).any():
        starts |= _breaks(kinds)
    ends = ~inside | starts
    ends[1:] &= inside[:-1]
    return np.flatnonzero(starts), np.flatnonzero(ends[1:]) + 1


def _breaks(kinds: Array) -> Array:
    """Where a word starts without white space before it; `_scripts.word` says the same as a regular expression."""
    places = np.arange(len(kinds))
    beside = (kinds == SYMBOL) | (kinds == MARK)
    core = kinds >= ONE
    # The kinds of the characters around symbols and marks; those of all other characters are their own.
    last = np.maximum.accumulate(np.where(beside, 0, places))
    before = np.where(beside[0] & (last == 0), SPACE, kinds[last])
    after = kinds[np.minimum.accumulate(np.where(beside, len(kinds) - 1, places)[::-1])[::-1]]
    trailing = beside & (before >= ONE)
    leading = beside & (before == SPACE) & (after >= ONE)
    # A run of Katakana goes on after marks, but not after symbols.
    symbol = np.maximum.accumulate(np.where(kinds == SYMBOL, places, -1))
    goes_on = (kinds == RUN) & _shifted((before == RUN) & (symbol <= last))
    first = core & ~goes_on & _shifted((kinds != SPACE) & ~leading)
    ordinary = (kinds != SPACE) & ~core & ~trailing
    breaks: Array = first | (ordinary & _shifted(core | trailing))
    return breaks


def _shifted(values: Array) -> Array:
    """What stood before each place; False before the first."""
    return np.concatenate(([False], values[:-1]))


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


def _powers(base: np.uint64, count: int) -> Array:
    """The powers of a base from 0 to count - 1, modulo 2^64; those of common sizes are kept."""
    return _kept_powers(base)[:count] if count <= KEPT else _made_powers(base, count)


KEPT = 1 << 21
"""Characters of text for which powers are kept, 8 bytes each: more than most batches have."""


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
