"""Cheap prediction of a language model's scores: linear in hashed token n-grams and in random features of the mean
static embedding, fitted by ridge regression on documents that the model has scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recipec.arrays import Array

NGRAMS = 1 << 17
"""Number of hash buckets for single tokens and pairs of tokens."""

RANDOM = 1024
"""Number of random Fourier features (Rahimi & Recht 2007) of a Gaussian kernel over mean embeddings."""

WIDTH = 1.0
"""Width of the kernel, in standard deviations of the embeddings over all their dimensions."""

RIDGE = 0.02
"""Added to the diagonal of the kernel, which is 2."""

FOLDS = 5

DECIMALS = 6
"""Number of decimals of a prediction: more would differ with the number of threads."""

Embed = Callable[[Sequence[Sequence[int]]], Array]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A fitted predictor of M scores.

    Attributes:
        center, scale: (H,) of the mean embeddings that it was fitted on.
        ngrams, random: weights (NGRAMS, M) and (RANDOM, M); `mean`: (M,).
    """

    center: Array
    scale: Array
    ngrams: Array
    random: Array
    mean: Array

    def __call__(self, tokens: Sequence[Sequence[int]], embed: Embed) -> Array:
        """Predicts scores (n, M) of texts, none of them empty."""
        found = hashed(tokens) @ self.ngrams + spread(embed(tokens), self.center, self.scale) @ self.random
        rounded: Array = np.round(found + self.mean, DECIMALS)
        return rounded


def hashed(tokens: Sequence[Sequence[int]]) -> Any:
    """A sparse (n, NGRAMS) matrix of hashed single tokens and pairs, each row of length 1."""
    from scipy import sparse

    lengths = np.array([len(one) for one in tokens])
    flat = np.concatenate([np.asarray(one, np.uint64) for one in tokens])
    row = np.repeat(np.arange(len(tokens)), lengths)
    # Multiplicative hashing; the upper bits are well mixed.
    one = flat * np.uint64(0x9E3779B97F4A7C15)
    pair = one[:-1] ^ (flat[1:] * np.uint64(0xC2B2AE3D27D4EB4F) + np.uint64(0x165667B19E3779F9))
    within = row[:-1] == row[1:]
    places = np.concatenate([one, pair[within] * np.uint64(0x9E3779B97F4A7C15)]) >> np.uint64(64 - 17)
    rows = np.concatenate([row, row[:-1][within]])
    counts = sparse.csr_matrix((np.ones(len(rows)), (rows, places.astype(np.int64))), shape=(len(tokens), NGRAMS))
    counts.data = np.sqrt(counts.data)
    norms = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1))).ravel()
    return sparse.diags(1 / norms) @ counts


def spread(embeddings: Array, center: Array, scale: Array) -> Array:
    """Random features (n, RANDOM) whose dot products approximate a Gaussian kernel of mean embeddings (n, H)."""
    width = embeddings.shape[1]
    generator = np.random.default_rng(0)
    directions = generator.standard_normal((width, RANDOM)) / (WIDTH * np.sqrt(width))
    phases = generator.uniform(0, 2 * np.pi, RANDOM)
    found: Array = np.sqrt(2 / RANDOM) * np.cos((embeddings - center) / scale @ directions + phases)
    return found


def fit(tokens: Sequence[Sequence[int]], scores: Array, embed: Embed) -> tuple[Predictor, Array]:
    """Fits a predictor; returns it with out-of-fold predictions (n, M) of the documents.

    Args:
        tokens: of n texts, none of them empty.
        scores: (n, M).
    """
    embeddings = embed(tokens)
    center, scale = embeddings.mean(axis=0), embeddings.std(axis=0) + 1e-9
    sparse, dense = hashed(tokens), spread(embeddings, center, scale)
    kernel = (sparse @ sparse.T).toarray() + dense @ dense.T
    held = np.empty_like(scores)
    for fold in range(FOLDS):
        out = np.arange(len(scores)) % FOLDS == fold
        mean, dual = _solved(kernel[np.ix_(~out, ~out)], scores[~out])
        held[out] = kernel[np.ix_(out, ~out)] @ dual + mean
    mean, dual = _solved(kernel, scores)
    return Predictor(center, scale, sparse.T @ dual, dense.T @ dual, mean), np.round(held, DECIMALS)


def _solved(kernel: Array, scores: Array) -> tuple[Array, Array]:
    mean = scores.mean(axis=0)
    return mean, np.linalg.solve(kernel + RIDGE * np.eye(len(kernel)), scores - mean)
