"""Computes what draws of parameters would select, exactly and without sorting the pool for each of them.

A draw of parameters changes the merged quality of every document, and with it every rank. But QuaDMix's curve only
depends on ranks up to ω; beyond it, every document has the same expectation ε. So one pass finds the documents that may
be within ω, only these are sorted, and the tokens of all others at any scale are read from cumulative token sums in the
order of the documents' draws, which are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipec.arrays import Array
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import logical
from recipec.ir.selection import Stats
from recipec.selection import mixing, ranking, rules
from recipec.selection.allocation import Allocation, CellTotals, allocate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLE = 8192
"""Number of documents of a domain from which the quality at ω is estimated."""

PIECE = 1 << 14
"""Number of documents whose quality is merged at a time."""

NEAR = 0.01
"""Relative width around its first guess within which a scale is searched first."""

NATURAL = (0.0, 1.0, 0.0, 0.0)
"""The curve of natural sampling: 1 for every document (λ, ω, η, ε)."""


@dataclass(frozen=True, slots=True)
class Block:
    """The documents of one cell with the same repetition limit, in the order of their draws.

    Attributes:
        cell: (domain, bits of nested quotas); `limit`: R, infinity for none.
        below: (n + 1,) cumulative tokens of the documents.
    """

    cell: tuple[str, int]
    limit: float
    start: int
    stop: int
    below: Array

    def tokens(self, u: Array, expected: float) -> float:
        """Drawn tokens if every document has the same expectation: ⌈min(expected, R) − u⌉ copies each."""
        copies = min(expected, self.limit)
        whole = math.floor(copies)
        more = np.searchsorted(u[self.start : self.stop], copies - whole, side="left")
        return float(whole * self.below[-1] + self.below[more])


@dataclass(frozen=True, slots=True)
class Documents:
    """The pool as arrays in the order of (domain, nest, limit, draw).

    Attributes:
        domains: (M,) sorted, with the (start, stop) of each in `ranges`.
        normal: (N, n) σ(q), smaller is better; `tokens`: (n,) int64; `u`, `limit`: (n,).
        numbers: (n,) the caller's numbers of the documents; −1 for those that it does not know.
    """

    domains: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]
    blocks: tuple[Block, ...]
    normal: Array
    tokens: Array
    u: Array
    limit: Array
    numbers: Array


@dataclass(frozen=True, slots=True)
class Drawn:
    """The selection of a draw of parameters.

    Attributes:
        allocation: token targets by cell; `scales`: c by cell; `given`: drawn tokens by cell, at most the target.
        curves: (M, 4); `heads`, `expected`: per domain the documents within ω and their S.
    """

    allocation: Allocation
    scales: dict[tuple[str, int], float]
    given: dict[tuple[str, int], float]
    curves: Array
    heads: tuple[Array, ...]
    expected: tuple[Array, ...]

    def tokens(self) -> dict[str, float]:
        """Drawn tokens by domain."""
        found: dict[str, float] = {}
        for (domain, _), given in self.given.items():
            found[domain] = found.get(domain, 0.0) + given
        return found

    def copies(self, documents: Documents) -> Array:
        """The copies (n,) of each document, in one pass."""
        s = np.empty(len(documents.u))
        for m, (start, stop) in enumerate(documents.ranges):
            s[start:stop] = self.curves[m, 3]
            s[self.heads[m]] = self.expected[m]
        for block in documents.blocks:
            s[block.start : block.stop] *= self.scales[block.cell]
        found: Array = np.maximum(0.0, np.ceil(np.minimum(s, documents.limit) - documents.u)).astype(np.int64)
        return found


def documents(
    connection: DuckDBPyConnection,
    rank: logical.Rank,
    sample: logical.Sample,
    ranked: Path,
    stats: tuple[Stats, ...],
    numbers: str | None = None,
) -> Documents:
    """Reads the pool of a stored `Rank`.

    Args:
        numbers: a SQL table expression (source, doc_id, number) of the documents that the caller knows.
    """
    table = f"read_parquet({literal(str(ranked))})"
    values = "".join(f", normal_{n}" for n in range(len(rank.criteria)))
    known = f"LEFT JOIN {numbers} AS k USING (source, doc_id)" if numbers else ""
    number = "coalesce(k.number, -1)" if numbers else "-1"
    query = (
        f"SELECT domain, {rules.nest_of(sample)} :: BIGINT AS nest_here, {rules.limit(sample)} AS most, draw, tokens, "
        f"{number} AS number{values} FROM ({ranking.normalised(rank, table, stats)}) {known} "
        f"ORDER BY domain, nest_here, most, draw, source, doc_id"
    )
    found = connection.execute(query).fetchnumpy()
    arrays = [np.asarray(found[name], float) for name in ("most", "draw", *values.replace(" ", "").split(",")[1:])]
    return arranged(
        np.asarray(found["domain"], str),
        np.asarray(found["nest_here"], np.int64),
        np.asarray(found["tokens"], np.int64),
        np.asarray(found["number"], np.int64),
        *arrays,
    )


def arranged(
    domain: Array, nest: Array, tokens: Array, numbers: Array, limit: Array, u: Array, *normal: Array
) -> Documents:
    """Makes `Documents` from columns in the order of (domain, nest, limit, draw)."""
    change = (domain[1:] != domain[:-1]) | (nest[1:] != nest[:-1]) | (limit[1:] != limit[:-1])
    edges = [0, *(np.flatnonzero(change) + 1).tolist(), len(domain)] if len(domain) else [0]
    blocks = tuple(
        Block(
            cell=(str(domain[start]), int(nest[start])),
            limit=float(limit[start]),
            start=start,
            stop=stop,
            below=np.concatenate([[0], tokens[start:stop].cumsum()]),
        )
        for start, stop in pairwise(edges)
    )
    names = tuple(sorted({block.cell[0] for block in blocks}))
    ranges = tuple(
        (min(b.start for b in blocks if b.cell[0] == name), max(b.stop for b in blocks if b.cell[0] == name))
        for name in names
    )
    return Documents(
        names, ranges, blocks, np.stack(normal) if normal else np.empty((0, len(u))), tokens, u, limit, numbers
    )


def evaluate(pool: Documents, op: logical.Sample, weights: Array, curves: Array, *, threads: int = 1) -> Drawn:
    """Computes what a draw selects, exactly as `apply` would with its parameters.

    Args:
        weights: (M, N) of the criteria; `curves`: (M, 4) λ, ω, η, ε.

    Raises:
        Failure: quotas, repetition limits and budget cannot all hold.
    """
    with ThreadPoolExecutor(threads) as workers:
        found = list(workers.map(lambda m: _head(pool, m, weights[m], curves[m]), range(len(pool.domains))))
    heads, expected = tuple(one[0] for one in found), tuple(one[1] for one in found)
    cells = list(_cells(pool, heads, expected, curves))
    pools = [cell.facts() for cell in cells]
    allocation = allocate(op, pools, mixing.decide(mixing.Problem(op, pools)))
    targets = allocation.targets or {}
    # Many small steps, which threads would only slow down.
    solved = [cell.scale(targets[cell.key]) for cell in cells]
    scales = {cell.key: one[0] for cell, one in zip(cells, solved, strict=True)}
    given = {cell.key: one[1] for cell, one in zip(cells, solved, strict=True)}
    drawn = Drawn(allocation, scales, given, curves, heads, expected)
    _check_vanishing(op, drawn)
    return drawn


def _check_vanishing(op: logical.Sample, drawn: Drawn) -> None:
    asked: dict[str, float] = {}
    for (domain, _), weight in drawn.allocation.weights.items():
        asked[domain] = asked.get(domain, 0.0) + weight
    tokens = drawn.tokens()
    gone = [domain for domain in sorted(asked) if asked[domain] > 0 and not tokens[domain]]
    if gone and not op.allow_vanishing:
        raise Failure(*(Diagnostic("R0508", f"the domain `{domain}` has a weight and no document") for domain in gone))


def _head(pool: Documents, m: int, weights: Array, curve: Array) -> tuple[Array, Array]:
    """The documents of a domain within ω, and their S (QuaDMix eq. 1 to 3)."""
    start, stop = pool.ranges[m]
    lambda_, omega, eta, epsilon = curve.tolist()
    tokens = pool.tokens[start:stop]
    normal = pool.normal[:, start:stop]
    total = float(tokens.sum())
    near, q = _within(normal, weights, _guess(normal, weights, tokens, omega))
    if len(near) < len(tokens) and float(tokens[near].sum()) <= omega * total:
        near, q = _within(normal, weights, math.inf)
    order = np.argsort(q)
    near, ordered = near[order], q[order]
    above = tokens[near].cumsum()
    # Ties share the largest rank: the position of the last document that is as good.
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(near) else near
    rank = np.repeat(above[last], np.diff(last, prepend=-1)) / total
    inside = int(np.searchsorted(rank, omega, side="right"))
    s = (2 / (1 + np.exp(-lambda_ * (omega - rank[:inside])))) ** eta + epsilon
    return start + near[:inside], s


def _within(normal: Array, weights: Array, most: float) -> tuple[Array, Array]:
    """The documents whose merged quality is at most `most`, with that quality; in pieces that fit in the CPU cache."""
    first, *others = weights.tolist()
    merged, term = np.empty(PIECE), np.empty(PIECE)
    found, values = [], []
    for start in range(0, normal.shape[1], PIECE):
        part = normal[:, start : start + PIECE]
        q = np.multiply(part[0], first, out=merged[: part.shape[1]])
        for number, weight in enumerate(others, start=1):
            q += np.multiply(part[number], weight, out=term[: part.shape[1]])
        inside = np.flatnonzero(q <= most)
        found.append(inside + start)
        values.append(q[inside])
    return np.concatenate(found), np.concatenate(values)


def _guess(normal: Array, weights: Array, tokens: Array, omega: float) -> float:
    """A merged quality that is very likely beyond ω, estimated from every k-th document."""
    step = max(1, len(tokens) // SAMPLE)
    _, some = _within(normal[:, ::step], weights, math.inf)
    weight = tokens[::step]
    order = np.argsort(some)
    share = weight[order].cumsum() / max(float(weight.sum()), 1.0)
    beyond = omega + 4 * math.sqrt(max(omega * (1 - omega), 1e-4) / len(some)) + 2 / len(some)
    place = int(np.searchsorted(share, beyond))
    return float(some[order[place]]) if place < len(order) else math.inf


@dataclass(frozen=True, slots=True)
class DrawnCell:
    """A cell of the allocation under a draw of parameters.

    Attributes:
        t, s, r, u: tokens, S, limit and draw of its documents within ω; `epsilon`: S of all others.
    """

    key: tuple[str, int]
    blocks: tuple[Block, ...]
    draws: Array
    t: Array
    s: Array
    r: Array
    u: Array
    epsilon: float

    def facts(self) -> CellTotals:
        """The totals that the allocation needs."""
        sizes = [(float(block.below[-1]), block.limit) for block in self.blocks]
        rest = sum(size * min(self.epsilon, limit) for size, limit in sizes)
        rest -= float((self.t * np.minimum(self.epsilon, self.r)).sum())
        reachable = sum(size * limit for size, limit in sizes if size and limit)
        if not self.epsilon:
            reachable = float((self.t * self.r).sum())
        return CellTotals(
            domain=self.key[0],
            nest=self.key[1],
            documents=sum(block.stop - block.start for block in self.blocks),
            tokens=sum(int(block.below[-1]) for block in self.blocks),
            reachable=reachable,
            natural=float((self.t * np.minimum(self.s, self.r)).sum()) + max(rest, 0.0),
        )

    def scale(self, target: float) -> tuple[float, float]:
        """The largest c at which the drawn tokens do not exceed a target, and these tokens."""
        if target <= 0:
            return 0.0, 0.0
        full = self._full()
        if math.isfinite(full) and (most := self._all(full)) <= target:
            return full, most
        natural = self.facts().natural
        if not natural:
            return 0.0, 0.0
        low, high = self._bracket(target, target / natural)
        return self._bisected(target, low, high)

    def _full(self) -> float:
        """The scale at which every document reaches its limit."""
        ends = [float((self.r / self.s).max())] if len(self.s) else []
        if self.epsilon:
            ends += [block.limit / self.epsilon for block in self.blocks]
        return math.nextafter(max(ends, default=0.0), math.inf)

    def _rest(self, c: float) -> float:
        """Drawn tokens if every document had the expectation ε."""
        if not self.epsilon:
            return 0.0
        return sum(block.tokens(self.draws, c * self.epsilon) for block in self.blocks)

    def _all(self, c: float) -> float:
        return self._rest(c) + float((self.t * self._more(c, slice(None))[2]).sum())

    def _more(self, c: float, which: Any) -> tuple[Array, Array, Array]:
        """Copies of documents within ω by S and by ε, and the difference."""
        r, u = self.r[which], self.u[which]
        by_s = np.maximum(0.0, np.ceil(np.minimum(c * self.s[which], r) - u))
        by_epsilon = np.maximum(0.0, np.ceil(np.minimum(c * self.epsilon, r) - u))
        return by_s, by_epsilon, by_s - by_epsilon

    def _bracket(self, target: float, guess: float) -> tuple[float, float]:
        low, high = guess * (1 - NEAR), guess * (1 + NEAR)
        step = 1 + 4 * NEAR
        while self._all(low) > target:
            low, high, step = low / step, low, step * step
        while self._all(high) <= target:
            low, high, step = high, high * step, step * step
        return low, high

    def _bisected(self, target: float, low: float, high: float) -> tuple[float, float]:
        """Bisects to two neighbouring numbers, using only documents whose copies differ between the ends."""
        (s_low, e_low, at_low), (s_high, e_high, _) = self._more(low, slice(None)), self._more(high, slice(None))
        open_ = np.flatnonzero((s_low != s_high) | (e_low != e_high))
        settled = float((self.t * at_low).sum()) - float((self.t[open_] * at_low[open_]).sum())
        steps = 0
        while low < (middle := low + (high - low) / 2) < high:
            extra = self._more(middle, open_)
            if self._rest(middle) + settled + float((self.t[open_] * extra[2]).sum()) <= target:
                low = middle
            else:
                high = middle
            steps += 1
            if steps % 4 == 0 and len(open_):
                (s_low, e_low, at_low), (s_high, e_high, _) = self._more(low, open_), self._more(high, open_)
                keep = (s_low != s_high) | (e_low != e_high)
                settled += float((self.t[open_][~keep] * at_low[~keep]).sum())
                open_ = open_[keep]
        return low, self._all(low)


def _cells(pool: Documents, heads: Sequence[Array], expected: Sequence[Array], curves: Array) -> Iterator[DrawnCell]:
    for m, domain in enumerate(pool.domains):
        blocks = [block for block in pool.blocks if block.cell[0] == domain]
        for key in sorted({block.cell for block in blocks}):
            mine = tuple(block for block in blocks if block.cell == key)
            head, s = heads[m], expected[m]
            if len(mine) < len(blocks):
                inside = (head >= mine[0].start) & (head < mine[-1].stop)
                head, s = head[inside], s[inside]
            yield DrawnCell(
                key=key,
                blocks=mine,
                draws=pool.u,
                t=pool.tokens[head].astype(float),
                s=s,
                r=pool.limit[head],
                u=pool.u[head],
                epsilon=float(curves[m, 3]),
            )
