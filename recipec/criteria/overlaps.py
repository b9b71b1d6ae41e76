"""`overlaps(science_qa, ngram: 13)`"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recipec.arrays import Array
from recipec.criteria import _scripts
from recipec.criteria._ngrams import Words, ngrams, words
from recipec.spec import Criterion, Example


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    target: str = Field(description="the target whose examples must not be in the data")
    ngram: int = Field(default=13, ge=1, le=100, description="number of consecutive words that make a match")


class Prepared(Params):
    """The parameters with what is looked for.

    Attributes:
        known: n -> (K,) uint64, sorted, distinct: hashes of n-grams; and (K,) int64, the first example that has each.
        places: where each example stands: "qa.jsonl:17"; "" if that is unknown.
        wordless: the places of examples without a word, which cannot be looked for.
        short: the places of examples that have fewer words than `SHORT`, and than `ngram`.
    """

    known: dict[int, tuple[np.ndarray, np.ndarray]]
    places: tuple[str, ...]
    wordless: tuple[str, ...]
    short: tuple[str, ...]


SHORT = 8
"""Words below which an example may well be found by chance: GPT-3 did not look for such."""


def prepare(params: Params, used: Sequence[str], held: Sequence[str]) -> Prepared:
    """Adds the n-grams of all examples, including held-out ones, to the parameters. An example with fewer words than
    `ngram` is looked for as a whole.

    Raises:
        ValueError: no example has a word, so that nothing would be found.
    """
    examples = [*used, *held]
    places = tuple(one.place if isinstance(one, Example) else "" for one in examples)
    found = _words(examples)
    counts = np.bincount(found.text, minlength=found.texts)
    known = {}
    sizes = np.minimum(counts, params.ngram * found.scale)
    for n in np.unique(sizes[counts > 0]).tolist():
        hashes, first = ngrams(found, n)
        # All n-grams of an example that has more words, and the only one of an example of n.
        mine = sizes[found.text[first]] == n
        distinct, at = np.unique(hashes[mine], return_index=True)
        known[n] = (distinct, found.text[first[mine][at]])
    if not known:
        raise ValueError("no example has a word, so that no overlap could be found")
    wordless = tuple(place for place, count in zip(places, counts, strict=True) if count == 0)
    few = (counts > 0) & (counts < min(SHORT, params.ngram) * found.scale)
    short = tuple(place for place, is_short in zip(places, few, strict=True) if is_short)
    return Prepared(**params.model_dump(), known=known, places=places, wordless=wordless, short=short)


def batch(texts: Sequence[str], params: Prepared) -> Array:
    found = _words(texts)
    result = np.full(found.texts, None, dtype=object)
    for n in sorted(params.known, reverse=True):
        known, examples = params.known[n]
        hashes, first = ngrams(found, n)
        place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        hit = known[place] == hashes
        # The first match of each text.
        matched, where = np.unique(found.text[first[hit]], return_index=True)
        for text, word, example in zip(matched, first[hit][where], examples[place[hit][where]], strict=True):
            result[text] = result[text] or _evidence(found, word, n, params.places[example])
    return result


def cautions(params: Prepared) -> tuple[str, ...]:
    """What the examples cannot be used for as one might expect, in sentences with the number of such examples."""
    found = []
    if params.wordless:
        found.append(f"{_examples(params.wordless, params)} no word and cannot be looked for")
    if params.short:
        least = min(SHORT, params.ngram)
        found.append(f"{_examples(params.short, params)} fewer than {least} words, which texts may hold by chance")
    return tuple(found)


def _examples(some: Sequence[str], params: Prepared) -> str:
    """The subject of a sentence about some examples, and its verb: "3 of 40 examples (the first: qa.jsonl:7) have"."""
    total = len(params.places)
    first = f" (the first: {some[0]})" if some[0] else ""
    return f"{len(some):,} of {total:,} examples{first} {'has' if len(some) == 1 else 'have'}"


IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180e\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
"""Characters that nobody sees: soft hyphens, joiners, directions, variants of the same character."""


def _words(texts: Sequence[str]) -> Words:
    return words([_plain(text) for text in texts], _scripts.kinds_of_letters)


def _plain(text: str) -> str:
    """A text in which the same words are the same characters: wide, composed and ligated ones are one (NFKC)."""
    if text.isascii():
        return text.lower()
    return IGNORED.sub("", unicodedata.normalize("NFKC", text)).lower()


def _evidence(found: Words, word: int, n: int, place: str) -> str:
    ngram = found.shown(word, n)
    return f"{place}: {ngram}" if place else ngram


SPEC = Criterion(
    name="overlaps",
    summary="The first run of `ngram` words, in lower case and without punctuation, that also occurs in an example of "
    "the target, after the example's file and line; null if there is none. As a condition: whether there is one. An "
    "example with fewer words is searched for as a whole.",
    source="Brown et al. 2020 (GPT-3), arXiv 2005.14165, appendix C: 13-grams",
    params=Params,
    type="string",
    cost=0.1,
    batch=batch,
    prepare=prepare,
    cautions=cautions,
    version=2,
)
