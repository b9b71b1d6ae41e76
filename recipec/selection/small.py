"""Scales of many small cells at once: a pool can have as many domains as documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from recipec.arrays import Array
from recipec.selection.scales import NONE, RankedCell, copies, counts

SMALL = 2048
"""The most documents of a cell that is bisected together with others."""


MISSING = 0.01
"""The share of a cell's target that may be missing before a document that does not fit is worth a word."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """The scale c of a cell, and the numbers in its part of the documents that are left out."""

    scale: float
    out: Array = field(default_factory=lambda: NONE)


def scales_of(
    cells: Sequence[RankedCell], targets: Sequence[float], natural: Sequence[float], *, skip: bool = False
) -> list[Scaled]:
    """The scale of every cell: the largest c at which its drawn tokens do not exceed its target.

    Args:
        natural: tokens expected at c = 1.
        skip: whether documents that do not fit are left out, one at a time, while more than `MISSING` of a target is
            missing.
    """
    result = [Scaled(0.0)] * len(cells)
    small = []
    for number, cell in enumerate(cells):
        if targets[number] > 0 and natural[number]:
            if cell.blocks[-1].stop - cell.blocks[0].start <= SMALL:
                small.append(number)
            else:
                result[number] = Scaled(cell.scale(targets[number], natural[number]))
    if small:
        found = _together([cells[n] for n in small], np.array([targets[n] for n in small]))
        for number, scale in zip(small, found.tolist(), strict=True):
            result[number] = Scaled(scale)
    if skip:
        for number, cell in enumerate(cells):
            if result[number].scale:
                result[number] = _skipping(cell, targets[number], natural[number], result[number])
    return result


def is_short(target: float, given: float) -> bool:
    """Whether more of a target is missing than is worth a word."""
    return target - given > MISSING * target


def _skipping(cell: RankedCell, target: float, natural: float, found: Scaled) -> Scaled:
    """Leaves out the documents that keep a cell short of its target."""
    while is_short(target, cell.drawn(found.scale)):
        blocking = cell.blocking(found.scale)
        if not len(blocking):
            break
        cell = replace(cell, out=np.sort(np.concatenate([cell.out, blocking])))
        found = Scaled(cell.scale(target, natural), cell.out)
    return found


def _together(cells: Sequence[RankedCell], targets: Array) -> Array:
    """The scales (m,) of some cells, by bisection of all of them over all of their documents."""
    sizes = [cell.blocks[-1].stop - cell.blocks[0].start for cell in cells]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    owner = np.repeat(np.arange(len(cells)), sizes)
    t, s, r, u = (np.concatenate(part) for part in zip(*(_documents(cell) for cell in cells), strict=True))

    def drawn(scales: Array) -> Array:
        found: Array = np.add.reduceat(t * copies(scales[owner], s, r, u), starts)
        return found

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ends = np.where((s > 0) & counts(t, r), r / s, 0.0)
    full = np.nextafter(np.maximum.reduceat(ends, starts), np.inf)
    known = np.isfinite(full)
    done = known.copy()
    done[known] = drawn(np.where(known, full, 0.0))[known] <= targets[known]
    low, high = np.zeros(len(cells)), np.where(done, full, 1.0)
    while (short := ~done & (drawn(high) <= targets)).any():
        low[short], high[short] = high[short], high[short] * 4
    while True:
        middle = low + (high - low) / 2
        open_ = ~done & (low < middle) & (middle < high)
        if not open_.any():
            return np.where(done, full, low)
        fits = drawn(middle) <= targets
        low, high = np.where(open_ & fits, middle, low), np.where(open_ & ~fits, middle, high)


def _documents(cell: RankedCell) -> tuple[Array, Array, Array, Array]:
    """t, S, R, u (n,) of all documents of a cell."""
    start, stop = cell.blocks[0].start, cell.blocks[-1].stop
    s = np.full(stop - start, cell.epsilon)
    s[cell.rows - start] = cell.s
    r = np.concatenate([np.full(block.stop - block.start, block.limit) for block in cell.blocks])
    return cell.part.tokens[start:stop].astype(float), s, r, cell.part.draws[start:stop]
