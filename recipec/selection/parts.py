"""A domain's documents in the order of their rules and draws: parts of a pool, made of blocks with one limit each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from recipec.arrays import Array
from recipec.selection.columns import Columns

STRIDE = 256
"""Cumulative tokens are kept for every so many documents."""


@dataclass(frozen=True, slots=True)
class Block:
    """The documents of a cell with the same repetition limit, in the order of their draws.

    Attributes:
        nest: bits of nested quotas; `limit`: R, infinite for none.
        start, stop: the range of its documents in the part.
        tokens, draws: (k,) of its documents; `sums`: cumulative tokens before every `STRIDE`-th of them.
    """

    nest: int
    limit: float
    start: int
    stop: int
    tokens: Array
    draws: Array
    sums: Array

    @property
    def total(self) -> int:
        """The tokens of all documents."""
        return self.below(self.stop - self.start)

    def below(self, count: int) -> int:
        """The tokens of the first documents."""
        place = count // STRIDE
        return int(self.sums[place]) + int(self.tokens[place * STRIDE : count].sum(dtype=np.int64))

    def drawn(self, expected: float) -> int:
        """Drawn tokens if every document has the same expectation: ⌈min(expected, R) − u⌉ copies each."""
        copies = min(expected, self.limit)
        whole = math.floor(copies)
        return whole * self.total + self.below(self._more(copies, whole))

    def more_between(self, low: float, high: float) -> Array:
        """The numbers in the part of the documents that have more copies with one expectation than with another."""
        if math.floor(min(low, self.limit)) != math.floor(min(high, self.limit)):
            given = [np.ceil(min(expected, self.limit) - self.draws) for expected in (low, high)]
            return self.start + np.flatnonzero(given[0] < given[1])
        first, last = (self._more(min(one, self.limit), math.floor(min(one, self.limit))) for one in (low, high))
        return np.arange(self.start + first, self.start + last)

    def _more(self, copies: float, whole: int) -> int:
        """The number of documents with one copy more than `whole`, by the very formula that draws."""
        count = int(np.searchsorted(self.draws, copies - whole, side="left"))
        # The difference is rounded, so at the edge the formula decides.
        while count < len(self.draws) and math.ceil(copies - float(self.draws[count])) > whole:
            count += 1
        while count and math.ceil(copies - float(self.draws[count - 1])) <= whole:
            count -= 1
        return count


@dataclass(frozen=True, slots=True)
class Part:
    """The documents of one domain under the rules that do not depend on quality.

    Attributes:
        number: of the domain in the columns.
        rows: the documents' places in the columns: a range, or (n,) numbers.
        tokens, draws: (n,); `blocks`: in the order of (nest, limit).
    """

    number: int
    rows: slice | Array
    tokens: Array
    draws: Array
    blocks: tuple[Block, ...]

    @property
    def size(self) -> int:
        return len(self.tokens)

    @property
    def total(self) -> int:
        """The tokens of all documents."""
        return sum(block.total for block in self.blocks)

    def places(self, start: int = 0, stop: int | None = None) -> slice | Array:
        """The places in the columns of a range of the part's documents."""
        stop = self.size if stop is None else stop
        if isinstance(self.rows, slice):
            return slice(self.rows.start + start, self.rows.start + stop)
        found: Array = self.rows[start:stop]
        return found

    def spread(self, values: Sequence[float]) -> Array:
        """A value of each block as one (n,) of each document."""
        return np.repeat(values, [block.stop - block.start for block in self.blocks])

    def limits(self, which: Array) -> Array:
        """The limits (k,) of some of its documents."""
        edges = np.array([block.stop for block in self.blocks])
        own = np.array([block.limit for block in self.blocks])
        found: Array = own[np.searchsorted(edges, which, side="right")]
        return found


@dataclass(frozen=True, slots=True)
class Left:
    """What earlier phases leave of each document of the columns (n,).

    Attributes:
        draw: u' in [0, 1); `cap`: R', infinite for none.
        before: copies drawn; `spent`: the sum of the expectations min(c·S, R).
    """

    draw: Array
    cap: Array
    before: Array
    spent: Array


def parts(
    columns: Columns,
    limits: Sequence[float],
    masks: Sequence[int],
    *,
    keep: Array | None = None,
    left: Left | None = None,
) -> tuple[Part, ...]:
    """Arranges the documents of each domain.

    Args:
        limits: the repetition limit of each domain, infinite for none; `masks`: the bits of its nested quotas.
        keep: (n,) which documents of the columns belong to the pool; None for all.
        left: what earlier phases leave.
    """
    return tuple(
        _part(columns, number, float(limits[number]), int(masks[number]), keep, left)
        for number in range(len(columns.domains))
    )


def _part(columns: Columns, number: int, limit: float, mask: int, keep: Array | None, left: Left | None) -> Part:
    domain = columns.layout.domains[number]
    whole = slice(domain.start, domain.stop)
    nest = (columns["nest"][whole].astype(np.int64) & mask) if mask and "nest" in columns else None
    cap = left.cap[whole] if left is not None else columns["cap"][whole] if "cap" in columns else None
    if nest is None and cap is None and keep is None and left is None:
        tokens, draws = columns["tokens"][whole], columns["draw"][whole]
        return Part(number, whole, tokens, draws, (_block(0, limit, 0, len(tokens), tokens, draws),))
    own = np.full(domain.stop - domain.start, limit) if cap is None else np.minimum(cap, limit)
    bits = np.zeros(len(own), np.int64) if nest is None else nest
    draws = (left.draw if left is not None else columns["draw"])[whole]
    order = np.lexsort((draws, own, bits))
    if keep is not None:
        order = order[keep[whole][order]]
    tokens, draws, own, bits = columns["tokens"][whole][order], draws[order], own[order], bits[order]
    change = np.flatnonzero((own[1:] != own[:-1]) | (bits[1:] != bits[:-1])) + 1
    edges = [0, *change.tolist(), len(own)] if len(own) else [0]
    blocks = tuple(
        _block(int(bits[start]), float(own[start]), start, stop, tokens[start:stop], draws[start:stop])
        for start, stop in pairwise(edges)
    )
    return Part(number, order + domain.start, tokens, draws, blocks)


def _block(nest: int, limit: float, start: int, stop: int, tokens: Array, draws: Array) -> Block:
    sums = np.zeros(len(tokens) // STRIDE + 1, np.int64)
    whole = len(tokens) // STRIDE * STRIDE
    if whole:
        np.cumsum(np.add.reduceat(tokens[:whole], np.arange(0, whole, STRIDE), dtype=np.int64), out=sums[1:])
    return Block(nest, limit, start, stop, tokens, draws, sums)
