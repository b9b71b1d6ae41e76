"""`top_ngram_ratio(n: 2)`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recipec.arrays import Array
from recipec.criteria._ngrams import Words, by_scale, ngrams, per_text
from recipec.spec import Criterion


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    n: int = Field(default=2, ge=1, le=20, description="words in an n-gram")


def batch(texts: Sequence[str], params: Params) -> Array:
    return by_scale(texts, params.n, _most_frequent)


def _most_frequent(found: Words, n: int) -> Array:
    hashes, first = ngrams(found, n)
    until = np.concatenate(([0], np.cumsum(found.lengths)))
    lengths = until[first + n] - until[first]
    text = found.text[first]
    # Runs of equal n-grams of one text: they are in the order of their texts, and the sort keeps it.
    order = np.argsort(hashes, kind="stable")
    new = np.ones(len(order), dtype=bool)
    new[1:] = (hashes[order][1:] != hashes[order][:-1]) | (text[order][1:] != text[order][:-1])
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(order)))
    # The most frequent n-gram of each text, the longest among equals: last when sorted by all three.
    run_text, run_length = text[order][starts], lengths[order][starts]
    ranking = np.lexsort((run_length, counts, run_text))
    last = np.ones(len(ranking), dtype=bool)
    last[:-1] = run_text[ranking][1:] != run_text[ranking][:-1]
    top = ranking[last]
    characters = np.zeros(found.texts)
    # An n-gram that occurs once is not a repeat.
    characters[run_text[top]] = np.where(counts[top] > 1, counts[top] * run_length[top], 0)
    whole = per_text(found, found.lengths, np.arange(len(found.hashes)))
    # Self-overlapping n-grams ("a a a") could count a character twice.
    ratio: Array = np.minimum(characters / np.maximum(whole, 1), 1.0)
    return ratio


SPEC = Criterion(
    name="top_ngram_ratio",
    summary="Share of the characters of words that are in occurrences of the most frequent n-gram, in [0, 1]; "
    "0 if no n-gram occurs twice.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, table A1: keep at most 0.20, 0.18, 0.16 for n = 2, 3, 4",
    params=Params,
    direction="lower",
    cost=0.07,
    batch=batch,
    version=2,
)
