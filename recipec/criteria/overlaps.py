"""`overlaps(science_qa, ngram: 13)`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recipec.arrays import Array
from recipec.criteria._ngrams import Words, ngrams, words
from recipec.spec import Criterion

SEPARATORS = np.ones(256, dtype=bool)
"""All bytes except digits, ASCII letters (texts are in lower case) and bytes of other characters."""
SEPARATORS[[*b"0123456789abcdefghijklmnopqrstuvwxyz", *range(128, 256)]] = False


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    target: str = Field(description="the target whose examples must not be in the data")
    ngram: int = Field(default=13, ge=1, le=100, description="number of consecutive words that make a match")


class Prepared(Params):
    """The parameters with the target's n-grams.

    Attributes:
        known: n -> (K,) uint64, sorted, distinct: hashes of n-grams.
    """

    known: dict[int, np.ndarray]


SHORTEST = 8
"""Minimum number of words of an example to search for, as in GPT-3; shorter ones occur in half of all texts."""


def prepare(params: Params, used: Sequence[str], held: Sequence[str]) -> Prepared:
    """Adds the n-grams of all examples, including held-out ones, to the parameters. An example with fewer words than
    `ngram` is searched for as a whole if it has at least 8.

    Raises:
        ValueError: no example is long enough, so that nothing would be found.
    """
    found = _words([*used, *held])
    known = {params.ngram: np.unique(ngrams(found, params.ngram)[0])}
    counts = np.bincount(found.text, minlength=found.texts)
    for n in np.unique(counts[(counts >= SHORTEST) & (counts < params.ngram)]).tolist():
        hashes, first = ngrams(found, n)
        known[n] = np.unique(hashes[counts[found.text[first]] == n])
    known = {n: hashes for n, hashes in known.items() if len(hashes)}
    if not known:
        raise ValueError(f"no example has {min(params.ngram, SHORTEST)} words, so that no overlap could be found")
    return Prepared(**params.model_dump(), known=known)


def batch(texts: Sequence[str], params: Prepared) -> Array:
    found = _words(texts)
    result = np.full(found.texts, None, dtype=object)
    for n in sorted(params.known, reverse=True):
        known = params.known[n]
        hashes, first = ngrams(found, n)
        place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        hits = first[known[place] == hashes]
        # The first match of each text.
        matched, where = np.unique(found.text[hits], return_index=True)
        for text, word in zip(matched, hits[where], strict=True):
            result[text] = result[text] or _ngram(found, word, n)
    return result


def _words(texts: Sequence[str]) -> Words:
    # One call for all texts; NUL, which separates them, is not part of any word.
    return words("\0".join([text.replace("\0", " ") for text in texts]).lower().split("\0"), SEPARATORS)


def _ngram(found: Words, word: int, n: int) -> str:
    spans = zip(found.starts[word : word + n], found.ends[word : word + n], strict=True)
    return " ".join(found.data[start:end].decode("utf-8", "replace") for start, end in spans)


SPEC = Criterion(
    name="overlaps",
    summary="The first run of `ngram` words, in lower case and without punctuation, that also occurs in an example of "
    "the target; null if there is none. As a condition: whether there is one. An example with fewer words, but at least "
    "8, is searched for as a whole.",
    source="Brown et al. 2020 (GPT-3), arXiv 2005.14165, appendix C: 13-grams",
    params=Params,
    type="string",
    cost=0.1,
    batch=batch,
    prepare=prepare,
)
