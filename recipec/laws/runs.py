"""Training runs as arrays, on which laws are evaluated and to which they are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array

BANDS = (0.05, 0.15, 0.20, 0.20, 0.20, 0.20)
"""Shares of the pool's tokens in InfoLaw's six quality buckets, best first (arXiv 2605.02364)."""


@dataclass(frozen=True, slots=True)
class Runs:
    """n runs over q quality bands, best band first; a law without quality sums over the bands.

    Attributes:
        params: (n,) parameters of the model, raw counts.
        tokens: (n, q) tokens trained on per band, raw counts, repeats included.
        unique: (n, q) distinct tokens among them, raw counts; 0 only where `tokens` is 0.
        loss: (n,) final loss in nats per token, or NaN if unknown. Smaller is better.
        bands: the quality band of each of the q columns, or () if column d is band d. A planned dataset has one column
            per domain and band.
    """

    params: Array
    tokens: Array
    unique: Array
    loss: Array
    bands: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.params)

    def take(self, index: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> Runs:
        return Runs(self.params[index], self.tokens[index], self.unique[index], self.loss[index], self.bands)

    @property
    def band(self) -> Array:
        """The quality band (q,) of each column, 0 is the best."""
        return np.asarray(self.bands or range(self.tokens.shape[1]), dtype=np.float64)

    @property
    def total(self) -> Array:
        """Tokens (n,) over all bands."""
        return np.asarray(self.tokens.sum(axis=1))

    @property
    def repetition(self) -> Array:
        """Tokens per unique token (n,) over all bands, >= 1."""
        return np.asarray(self.total / np.maximum(self.unique.sum(axis=1), 1))
