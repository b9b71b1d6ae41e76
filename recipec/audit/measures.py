"""Measures of the probe: separation of scores, overlap of profiles, and minimal edits of texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from recipec.arrays import Array
from recipec.ir.expressions import Frozen

BOOTSTRAPS = 1000

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NAME = re.compile(r"(?<=[a-z,;] )[A-Z][A-Za-z]+")
"""A capitalised word that does not begin a sentence."""


class Separation(Frozen):
    """How well scores separate two groups.

    Attributes:
        auc: probability that a member of the first group scores above one of the second, with ties as half; 0.5 is
            chance.
        low, high: its 95% interval, by resampling both groups.
        first, second: the sizes of the groups.
    """

    auc: float
    low: float
    high: float
    first: int
    second: int


def separation(above: Array, below: Array) -> Separation | None:
    """The separation of two groups of scores; None if one of them has fewer than two."""
    if len(above) < 2 or len(below) < 2:
        return None
    wins = (above[:, None] > below[None, :]) + 0.5 * (above[:, None] == below[None, :])
    generator = np.random.default_rng(0)
    first = generator.multinomial(len(above), np.full(len(above), 1 / len(above)), BOOTSTRAPS) / len(above)
    second = generator.multinomial(len(below), np.full(len(below), 1 / len(below)), BOOTSTRAPS) / len(below)
    low, high = np.quantile(((first @ wins) * second).sum(axis=1), [0.025, 0.975])
    return Separation(auc=float(wins.mean()), low=float(low), high=float(high), first=len(above), second=len(below))


def overlap(one: Array, other: Array) -> float:
    """The overlap of two profiles (L, N), in [0, 1]: the mean over layers of the sum of the smaller frequencies."""
    width = max(one.shape[1], other.shape[1])
    padded = [np.pad(profile, ((0, 0), (0, width - profile.shape[1]))) for profile in (one, other)]
    return float(np.minimum(*padded).sum(axis=1).mean())


def shuffled(text: str) -> str:
    """Shuffles a text's words, seeded by its hash: the same words with another meaning, or none."""
    words = text.split()
    generator = np.random.default_rng(_seed(text))
    return " ".join(words[place] for place in generator.permutation(len(words))) or text


def exchanged(texts: Sequence[str]) -> list[str]:
    """Replaces the numbers and names of texts by those of the other texts: the form stays, the facts are wrong."""
    result = list(texts)
    for pattern in (NUMBER, NAME):
        pool = sorted({found for text in texts for found in pattern.findall(text)})
        if len(pool) < 2:
            continue
        result = [_replaced(text, pattern, pool) for text in result]
    return result


def _replaced(text: str, pattern: re.Pattern[str], pool: list[str]) -> str:
    generator = np.random.default_rng(_seed(text))

    def other(match: re.Match[str]) -> str:
        place = pool.index(match.group()) if match.group() in pool else 0
        return pool[(place + int(generator.integers(1, len(pool)))) % len(pool)]

    return pattern.sub(other, text)


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little")
