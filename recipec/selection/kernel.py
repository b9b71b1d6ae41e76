"""Works out a selection: from the columns of a pool and the rules of a recipe to copies, exactly (docs/selection.md).

    ready = kernel.arranged(columns, rules)      domains in the order of limits and draws
    found = kernel.ranked(ready, rules)          documents within ω, totals of cells
    drawn = kernel.draw(found, op, decided)      targets, scales; from them the copies of every document

`plan`, `apply`, `search`, `predict`, phases and cascades all call these. No result depends on the number of threads, the
layout of files, or the order of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from recipec.arrays import Array
from recipec.ir import logical, model
from recipec.ir.mixing import Decided
from recipec.selection.allocation import Allocation, CellTotals, allocate, mask
from recipec.selection.columns import Columns
from recipec.selection.exact import rounded
from recipec.selection.heads import NOTHING, Head, Ties, best, head
from recipec.selection.parts import Left, Part, parts
from recipec.selection.quality import Quality, pieces
from recipec.selection.scales import RankedCell, copies, every_cell
from recipec.selection.small import Scaled, scales_of

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a recipe says of each domain, as numbers in the order of the columns' domains.

    Attributes:
        weights: (M, N) of the criteria in the merge; `merges`: whether there are weights at all.
        curves: (M, 4) λ, ω, η, ε of `sample quadmix`; None for the others.
        top, share: the criteria of `sample top` (() for the merged quality), and the share; None for the others.
        limits: (M,) repetition limits, infinite for none; `masks`: bits of each domain's nested quotas.
        drops: whether documents without a needed score leave the pool.
        equal: what becomes of documents of equal quality.
    """

    weights: Array
    merges: bool
    curves: Array | None
    top: tuple[int, ...] | None
    share: float
    limits: tuple[float, ...]
    masks: tuple[int, ...]
    normalize: str
    drops: bool
    equal: Ties

    def needs(self, domain: int, criterion: int) -> bool:
        """Whether the documents of a domain need a score by a criterion, both by their numbers."""
        return bool(self.weights[domain, criterion]) or criterion in (self.top or ())

    @property
    def rest(self) -> Array:
        """(M,) S of the documents beyond ω."""
        if self.curves is not None:
            return rounded(self.curves[:, 3])
        return np.full(len(self.limits), 0.0 if self.top is not None else 1.0)


def rules_of(rank: logical.Rank, op: logical.Sample, domains: Sequence[str]) -> Rules:
    """The rules of a `Rank` and a `Sample` for some domains."""
    quality = rank.quality
    names = [name for name, _ in rank.criteria]
    own = {block.domain: dict(block.weights) for block in quality.weights}
    rows = [[own.get(d, own.get(None, {})).get(name, 0.0) for name in names] for d in domains]
    most = {repeat.domain: repeat.most for repeat in op.repeats if not repeat.per_document}
    limits = tuple(_limit(most[domain] if domain in most else most.get(None)) for domain in domains)
    curves = None
    if isinstance(op.sample, model.Quadmix) and quality.weights:
        shapes = {curve.domain: (curve.lambda_, curve.omega, curve.eta, curve.epsilon) for curve in op.sample.curves}
        curves = np.array([shapes.get(d, shapes.get(None)) for d in domains], float).reshape(len(domains), 4)
    top = None if rank.top is None else tuple(names.index(name) for name in rank.top)
    return Rules(
        weights=np.array(rows, float).reshape(len(domains), len(names)),
        merges=bool(quality.weights),
        curves=curves,
        top=top,
        share=op.sample.share if isinstance(op.sample, model.Top) else 1.0,
        limits=limits,
        masks=tuple(mask(op, domain) for domain in domains),
        normalize=quality.normalize,
        drops=quality.missing == "drop",
        equal=quality.ties,
    )


def _limit(most: float | None) -> float:
    return math.inf if most is None else float(most)


@dataclass(frozen=True, slots=True)
class Arranged:
    """The documents of a pool in the order of their rules, with the merged quality still to be computed.

    Attributes:
        dropped: (n,) for each document of the columns the number of the criterion whose missing score removes it, −1 if
            none does; None if no document is removed.
    """

    columns: Columns
    parts: tuple[Part, ...]
    quality: Quality
    dropped: Array | None
    left: Left | None
    threads: int

    def each(self, work: Callable[[Part], R]) -> list[R]:
        """The results of a function for every part, in order."""
        if self.threads == 1 or len(self.parts) > 4096:
            return [work(part) for part in self.parts]
        with ThreadPoolExecutor(self.threads) as workers:
            return list(workers.map(work, self.parts))


def arranged(
    columns: Columns, rank: logical.Rank, rules: Rules, *, left: Left | None = None, threads: int = 1
) -> Arranged:
    """Arranges a pool for the rules of a recipe."""
    dropped = _dropped(columns, rules) if rules.drops else None
    keep = None if dropped is None else dropped < 0
    directions = tuple(direction for _, direction in rank.criteria)
    quality = Quality(columns, directions, rules.normalize, keep)
    found = parts(columns, rules.limits, rules.masks, keep=keep, left=left)
    return Arranged(columns, found, quality, dropped, left, threads)


def _dropped(columns: Columns, rules: Rules) -> Array | None:
    """See `Arranged.dropped`: the first criterion that a document lacks and its domain uses."""
    missing = [number for number, one in enumerate(columns.layout.stats) if one.missing]
    if not missing:
        return None
    found = np.full(columns.layout.rows, -1, np.int16)
    for number in reversed(missing):
        for place, domain in enumerate(columns.layout.domains):
            if rules.needs(place, number):
                mine = slice(domain.start, domain.stop)
                found[mine][np.isnan(columns.score(number)[mine])] = number
    return found if (found >= 0).any() else None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A pool with its documents within ω known.

    Attributes:
        heads: of each part; `cells`: the units of the allocation, sorted; `totals`: of each cell.
    """

    ready: Arranged
    rules: Rules
    heads: tuple[Head, ...]
    cells: tuple[RankedCell, ...]
    totals: tuple[CellTotals, ...]


def ranked(ready: Arranged, rules: Rules) -> Ranked:
    """Finds the documents within ω, and the totals that an allocation starts from."""
    if rules.curves is not None:
        shapes = rules.curves
        heads = tuple(
            ready.each(
                lambda part: head(part, ready.quality, rules.weights[part.number], shapes[part.number], rules.equal)
            )
        )
    elif rules.top is not None:
        heads = best(ready.parts, ready.quality, rules.top, rules.weights, rules.share)
    else:
        heads = (NOTHING,) * len(ready.parts)
    cells = every_cell(ready.parts, ready.columns.domains, heads, rules.rest)
    return Ranked(ready, rules, heads, cells, tuple(cell.totals() for cell in cells))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A selection.

    Attributes:
        allocation: targets of the cells; `scales`: c by cell.
        out: by cell, the numbers in the part of the documents that are left out as too large.
    """

    found: Ranked
    allocation: Allocation
    scales: Mapping[tuple[str, int], float]
    out: Mapping[tuple[str, int], Array]

    def is_closed(self, key: tuple[str, int]) -> bool:
        """Whether a cell has a target of 0, so that nothing is drawn whatever its curve."""
        return self.allocation.targets is not None and self.allocation.targets[key] <= 0

    def tokens(self) -> dict[str, int]:
        """Drawn tokens by domain."""
        found: dict[str, int] = {}
        for cell in self.found.cells:
            cell = replace(cell, out=self.out[cell.key])
            found[cell.key[0]] = found.get(cell.key[0], 0) + cell.drawn(self.scales[cell.key])
        return found

    def copies(self) -> Array:
        """The copies (n,) of the documents of the columns; 0 for those that left the pool."""
        found = np.zeros(self.found.ready.columns.layout.rows, np.int64)
        for piece in self.pieces():
            found[piece.rows] = piece.copies
        return found

    def pieces(self) -> Iterator[Piece]:
        """The documents of the pool with their copies, some thousands at a time."""
        for cell in self.found.cells:
            scale = self.scales[cell.key]
            for block in cell.blocks:
                for start, stop in pieces(block.stop - block.start):
                    yield self._piece(cell, scale, block.limit, block.start + start, block.start + stop)

    def _piece(self, cell: RankedCell, scale: float, limit: float, start: int, stop: int) -> Piece:
        first, last = np.searchsorted(cell.rows, (start, stop))
        expected = np.full(stop - start, cell.epsilon)
        within = np.zeros(stop - start, bool)
        mine = cell.rows[first:last] - start
        expected[mine], within[mine] = cell.s[first:last], True
        given = copies(scale, expected, limit, cell.part.draws[start:stop])
        out = self.out[cell.key]
        first, last = np.searchsorted(out, (start, stop))
        given[out[first:last] - start] = 0.0
        return Piece(cell, scale, limit, start, stop, expected, within, given, out[first:last] - start)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some documents (k,) of a cell with one limit: `start` to `stop` of their part.

    Attributes:
        expected: S; `within`: whether a document is within ω; `copies`: whole floats.
        out: (o,) places among these of the documents that are left out as too large.
    """

    cell: RankedCell
    scale: float
    limit: float
    start: int
    stop: int
    expected: Array
    within: Array
    copies: Array
    out: Array

    @property
    def tokens(self) -> Array:
        found: Array = self.cell.part.tokens[self.start : self.stop]
        return found

    @property
    def rows(self) -> slice | Array:
        """Their places in the columns."""
        return self.cell.part.places(self.start, self.stop)


def draw(found: Ranked, op: logical.Sample, decided: Decided) -> Drawn:
    """Draws with decided domain weights.

    Raises:
        Failure: quotas, repetition limits and budget cannot all hold.
    """
    allocation = allocate(op, found.totals, decided)
    if allocation.targets is None:
        scaled = [Scaled(1.0) for _ in found.cells]
    else:
        targets = [allocation.targets[cell.key] for cell in found.cells]
        natural = [one.natural for one in found.totals]
        scaled = scales_of(found.cells, targets, natural, skip=op.oversize == "skip")
    by_cell = list(zip(found.cells, scaled, strict=True))
    return Drawn(
        found,
        allocation,
        {cell.key: one.scale for cell, one in by_cell},
        {cell.key: one.out for cell, one in by_cell},
    )


def leaves(drawn: Drawn) -> Left:
    """What a selection leaves of each document for the next phase.

    Over all phases a document has ⌈min(Σ c·S, R) − u⌉ copies, so that a document is repeated only after the others were
    drawn. A phase adds ⌈min(c·S, R') − u'⌉ to that, with u' = u + copies − min(c·S, R), in [0, 1), and R' = R − copies
    of the previous phase: all rules of one phase then apply unchanged to the next.
    """
    ready = drawn.found.ready
    size = ready.columns.layout.rows
    before = ready.left.before.copy() if ready.left is not None else np.zeros(size)
    spent = ready.left.spent.copy() if ready.left is not None else np.zeros(size)
    draw_, cap = np.zeros(size), np.full(size, math.inf)
    for piece in drawn.pieces():
        rows = piece.rows
        given = np.minimum(piece.scale * piece.expected, piece.limit)
        given[piece.out] = 0.0
        u = piece.cell.part.draws[piece.start : piece.stop]
        draw_[rows] = np.clip(u + piece.copies - given, 0.0, BELOW_ONE)
        cap[rows] = piece.limit - piece.copies
        before[rows] += piece.copies
        spent[rows] += given
    return Left(draw_, cap, before, spent)


BELOW_ONE = 0.9999999999999999
