"""The merged quality of documents: Σ σ(q)·α (QuaDMix, arXiv 2504.16511, eq. 1), smaller is better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from recipec.arrays import Array
from recipec.selection.columns import Columns
from recipec.selection.parts import Part

PIECE = 1 << 17
"""Documents that are computed at a time: few enough for a core's cache, and so many that threads seldom wait for each other."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The criteria of a pool and how they are made comparable.

    Attributes:
        directions: "higher" or "lower" is better, of each criterion.
        normalize: σ.
        keep: (n,) which documents of the columns belong to the pool; None for all.
        shares, normals: what has been computed and is kept, by criterion.
    """

    columns: Columns
    directions: tuple[Literal["higher", "lower"], ...]
    normalize: str
    keep: Array | None = None
    shares: dict[int, Array] = field(default_factory=dict)
    normals: dict[int, Array] = field(default_factory=dict)

    def prepare(self) -> None:
        """Keeps σ(q) of all documents in memory, for many merges with other weights."""
        for number in range(len(self.directions)):
            self.normals[number] = self.normal(number, slice(None))

    def normal(self, number: int, rows: slice | Array) -> Array:
        """σ(q) (k,) of a criterion, smaller is better; 0 if all documents are equal. Not to be changed."""
        if number in self.normals:
            kept: Array = self.normals[number][rows]
            return kept
        if self.normalize == "rank":
            share: Array = self._share(number)[rows]
            return share
        one = self.columns.layout.stats[number]
        higher = self.directions[number] == "higher"
        if self.normalize == "minmax":
            middle, width = (one.high, one.low - one.high) if higher else (one.low, one.high - one.low)
        else:
            middle, width = one.mean, -one.std if higher else one.std
        values = self.present(number, rows)
        if not width:
            return np.zeros(len(values))
        values -= middle
        values /= width
        return values

    def present(self, number: int, rows: slice | Array) -> Array:
        """Raw scores (k,) as float64, with the worst of the pool in place of a missing one; a new array."""
        one = self.columns.layout.stats[number]
        values = self.columns.score(number)[rows].astype(np.float64)
        if one.missing:
            values[np.isnan(values)] = one.low if self.directions[number] == "higher" else one.high
        return values

    def turned(self, number: int, rows: slice | Array) -> Array:
        """Raw scores (k,) with a sign such that smaller is better."""
        values = self.present(number, rows)
        if self.directions[number] == "higher":
            np.negative(values, out=values)
        return values

    def merged(self, part: Part, weights: Array, start: int = 0, stop: int | None = None) -> Array:
        """q̄ (k,) of a range of a part's documents, with the weights (N,) of its domain, in the order of the criteria."""
        rows = part.places(start, stop)
        used = [number for number, weight in enumerate(weights) if weight]
        if not used:
            return np.zeros((part.size if stop is None else stop) - start)
        total: Array = self.normal(used[0], rows) * weights[used[0]]
        term = np.empty_like(total)
        for number in used[1:]:
            total += np.multiply(self.normal(number, rows), weights[number], out=term)
        return total

    def _share(self, number: int) -> Array:
        """The share (n,) of the pool's documents that are as good or better; ties get the largest share."""
        if number not in self.shares:
            values = self.turned(number, slice(None))
            mine = np.flatnonzero(self.keep) if self.keep is not None else np.arange(len(values))
            order = mine[np.argsort(values[mine], kind="stable")]
            last, runs = ties(values[order])
            found = np.zeros(len(values))
            found[order] = np.repeat((last + 1) / max(len(order), 1), runs)
            self.shares[number] = found
        return self.shares[number]


def ties(ordered: Array) -> tuple[Array, Array]:
    """The places of the last of each group of equal values in a sorted array, and the sizes of the groups."""
    if not len(ordered):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return last, np.diff(last, prepend=-1)


def pieces(size: int, piece: int = PIECE) -> Iterator[tuple[int, int]]:
    """The ranges (start, stop) that a number of documents is computed in."""
    for start in range(0, size, piece):
        yield start, min(start + piece, size)
