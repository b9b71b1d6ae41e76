"""Scales c_d: the largest at which the drawn tokens of a cell stay within its target.

Copies of a document never decrease with c, so a cell's drawn tokens are a step function of c. Those of documents within ω
are summed; all others have the expectation ε, so that their tokens at any c are read from cumulative sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from recipec.arrays import Array
from recipec.selection.allocation import CellTotals
from recipec.selection.exact import weighted
from recipec.selection.heads import Head
from recipec.selection.parts import Block, Part

NONE = np.empty(0, np.int64)

NEAR = 0.01
"""Relative width around its first guess within which a scale is searched first."""


def copies(scale: Array | float, expected: Array | float, limit: Array | float, draws: Array) -> Array:
    """Copies (k,) of documents, as whole floats: ⌈min(c·S, R) − u⌉, at least 0."""
    found: Array = np.ceil(np.minimum(scale * expected, limit) - draws)
    return np.maximum(0.0, found, out=found)


def counts(tokens: Array | int, limit: Array | float) -> Array:
    """Whether documents (k,) have an end at a scale, or would at last fill any target: all but empty ones without a limit."""
    found: Array = (np.asarray(tokens) > 0) | np.isfinite(limit)
    return found


@dataclass(frozen=True, slots=True)
class RankedCell:
    """A cell of the allocation, with its documents within ω.

    Attributes:
        part: the domain; `blocks`: those of the cell.
        rows: (k,) numbers in the part of the documents within ω, with their t, S, R and u.
        epsilon: S of all others.
        out: (o,) numbers in the part of the documents that are left out, as they are too large for what is left.
    """

    key: tuple[str, int]
    part: Part
    blocks: tuple[Block, ...]
    rows: Array
    t: Array
    s: Array
    r: Array
    u: Array
    epsilon: float
    out: Array = field(default_factory=lambda: NONE)

    def tails(self) -> Iterator[tuple[Block, int, int]]:
        """For each block the number and the tokens of its documents beyond ω."""
        for block in self.blocks:
            first, last = np.searchsorted(self.rows, (block.start, block.stop))
            yield block, block.stop - block.start - int(last - first), block.total - int(self.t[first:last].sum())

    def totals(self) -> CellTotals:
        """What the allocation needs to know."""
        tails = list(self.tails())
        drawable = [(tokens, block.limit) for block, _, tokens in tails if tokens and self.epsilon]
        endless = np.isinf(self.r) & (self.s > 0) & (self.t > 0)
        unlimited = bool(endless.any()) or any(math.isinf(limit) for _, limit in drawable)
        rest = np.array([min(self.epsilon, block.limit) for block, _, _ in tails])
        finite = np.where((self.s > 0) & np.isfinite(self.r), self.r, 0.0)
        return CellTotals(
            domain=self.key[0],
            nest=self.key[1],
            documents=sum(block.stop - block.start for block in self.blocks),
            tokens=sum(block.total for block in self.blocks),
            reachable=math.inf
            if unlimited
            else weighted(self.t, finite) + sum(tokens * limit for tokens, limit in drawable),
            natural=weighted(
                np.append(self.t, [tokens for _, _, tokens in tails]), np.append(np.minimum(self.s, self.r), rest)
            ),
        )

    def scale(self, target: float, natural: float) -> float:
        """The largest c at which the drawn tokens do not exceed a target; 0 if nothing can be drawn.

        Args:
            natural: tokens expected at c = 1.
        """
        if target <= 0 or not natural:
            return 0.0
        full = self._full()
        if math.isfinite(full) and self.drawn(full) <= target:
            return full
        return self._bisected(target, *self._bracket(target, target / natural))

    def drawn(self, c: float) -> int:
        """Drawn tokens at a scale."""
        by_s, by_epsilon = self._both(c, slice(None))
        return self._rest(c) + int((self.t * (by_s - by_epsilon)).sum())

    def blocking(self, c: float) -> Array:
        """The numbers in the part (b,) of the documents of which the next larger scale would draw more."""
        above = math.nextafter(c, math.inf)
        (low, _), (high, _) = self._both(c, slice(None)), self._both(above, slice(None))
        found = [self.rows[low != high]]
        for block in self.blocks if self.epsilon else ():
            rows = block.more_between(c * self.epsilon, above * self.epsilon)
            found.append(np.setdiff1d(rows, self.rows, assume_unique=True))
        return np.setdiff1d(np.concatenate([NONE, *found]), self.out)

    def expected(self, rows: Array) -> Array:
        """S (k,) of some of its documents, by their numbers in the part."""
        place = np.minimum(np.searchsorted(self.rows, rows), max(len(self.rows) - 1, 0))
        if not len(self.rows):
            return np.full(len(rows), self.epsilon)
        return np.where(self.rows[place] == rows, self.s[place], self.epsilon)

    def _full(self) -> float:
        """The scale at which every document reaches its limit; one without tokens needs none, as it fills no target."""
        drawable = (self.s > 0) & counts(self.t, self.r)
        ends = [float((self.r[drawable] / self.s[drawable]).max())] if drawable.any() else []
        if self.epsilon:
            tails = self.tails()
            ends += [block.limit / self.epsilon for block, count, t in tails if count and counts(t, block.limit)]
        return math.nextafter(max(ends, default=0.0), math.inf)

    def _rest(self, c: float) -> int:
        """Drawn tokens if every document had the expectation ε, less those of the documents that are left out."""
        found = sum(block.drawn(c * self.epsilon) for block in self.blocks) if self.epsilon else 0
        if len(self.out):
            part, out = self.part, self.out
            given = copies(c, self.expected(out), part.limits(out), part.draws[out])
            found -= int((part.tokens[out] * given).sum())
        return found

    def _both(self, c: float, which: Array | slice) -> tuple[Array, Array]:
        """Copies (k,) of documents within ω by S, and what they would be by ε."""
        r, u = self.r[which], self.u[which]
        return copies(c, self.s[which], r, u), copies(c, self.epsilon, r, u)

    def _bracket(self, target: float, guess: float) -> tuple[float, float]:
        low, high = guess * (1 - NEAR), guess * (1 + NEAR)
        step = 1 + 4 * NEAR
        while self.drawn(low) > target:
            low, high, step = low / step, low, step * step
        while self.drawn(high) <= target:
            low, high, step = high, high * step, step * step
        return low, high

    def _bisected(self, target: float, low: float, high: float) -> float:
        """Bisects to two neighbouring numbers, using only documents whose copies differ between the ends."""
        open_ = np.arange(len(self.t))
        settled, steps = 0, 0
        while low < (middle := low + (high - low) / 2) < high:
            if steps % 4 == 0 and len(open_):
                at_low, at_high = self._both(low, open_), self._both(high, open_)
                same = (at_low[0] == at_high[0]) & (at_low[1] == at_high[1])
                settled += int((self.t[open_] * (at_low[0] - at_low[1]))[same].sum())
                open_ = open_[~same]
            by_s, by_epsilon = self._both(middle, open_)
            if self._rest(middle) + settled + int((self.t[open_] * (by_s - by_epsilon)).sum()) <= target:
                low = middle
            else:
                high = middle
            steps += 1
        return low


def cells(part: Part, domain: str, found: Head, epsilon: float) -> tuple[RankedCell, ...]:
    """The cells of a domain: one per combination of nested quotas."""
    tokens = part.tokens[found.rows].astype(np.float64)
    limits, draws = part.limits(found.rows), part.draws[found.rows]
    result = []
    for nest in sorted({block.nest for block in part.blocks}):
        blocks = tuple(block for block in part.blocks if block.nest == nest)
        first, last = np.searchsorted(found.rows, (blocks[0].start, blocks[-1].stop))
        mine = slice(int(first), int(last))
        result.append(
            RankedCell(
                key=(domain, nest),
                part=part,
                blocks=blocks,
                rows=found.rows[mine],
                t=tokens[mine],
                s=found.expected[mine],
                r=limits[mine],
                u=draws[mine],
                epsilon=epsilon,
            )
        )
    return tuple(result)


def every_cell(
    parts: Sequence[Part], names: Sequence[str], heads: Sequence[Head], rest: Array
) -> tuple[RankedCell, ...]:
    """The cells of all domains, whose documents beyond ω have the expectations `rest` (M,)."""
    found: list[RankedCell] = []
    for part, one in zip(parts, heads, strict=True):
        found += cells(part, names[part.number], one, float(rest[part.number]))
    return tuple(found)
