"""`duplicate_ngram_ratio(n: 5)`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recipec.arrays import Array
from recipec.criteria._ngrams import Words, by_scale, ngrams, per_text
from recipec.spec import Criterion


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    n: int = Field(default=5, ge=2, le=20, description="words in an n-gram")


def batch(texts: Sequence[str], params: Params) -> Array:
    return by_scale(texts, params.n, _repeated)


def _repeated(found: Words, n: int) -> Array:
    hashes, first = ngrams(found, n)
    # N-grams are in the order of their texts, and the sort keeps it: the equal ones of a text stand together, and all but
    # the first of them repeat an earlier one.
    order = np.argsort(hashes, kind="stable")
    by_hash, by_text = hashes[order], found.text[first][order]
    again = np.zeros(len(order), dtype=bool)
    again[1:] = (by_hash[1:] == by_hash[:-1]) & (by_text[1:] == by_text[:-1])
    # Words covered by such an n-gram, each counted once: +1 where one begins, -1 after it ends.
    steps = np.zeros(len(found.hashes) + 1, dtype=np.int64)
    np.add.at(steps, first[order[again]], 1)
    np.add.at(steps, first[order[again]] + n, -1)
    covered = np.cumsum(steps[:-1]) > 0
    everything = np.arange(len(found.hashes))
    whole = per_text(found, found.lengths, everything)
    ratio: Array = per_text(found, found.lengths * covered, everything) / np.maximum(whole, 1)
    return ratio


SPEC = Criterion(
    name="duplicate_ngram_ratio",
    summary="Share of the characters of words that are in a word n-gram which repeats an earlier one, in [0, 1]; "
    "characters count once, however many such n-grams cover them.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, table A1: keep at most 0.15, 0.14, 0.13, 0.12, 0.11, 0.10 "
    "for n = 5 to 10",
    params=Params,
    direction="lower",
    cost=0.09,
    batch=batch,
    version=2,
)
