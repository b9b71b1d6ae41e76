"""Finds the columns that look like quality scores, and which direction is better."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from recipec.quickstart.fields import Field
from recipec.quickstart.guesses import Known, listed

SCORE = re.compile(
    r"score|quality|rating|prob(ability)?(_|\b)|(_|\b)edu|perplexity|(_|\b)ppl|(_|\b)loss(_|\b)|toxi|spam|nsfw"
)
HIGHER = re.compile(r"quality|(_|\b)edu|helpful")
NEGATED = re.compile(r"(_|\b)(non|not|anti|un)(_|\b)")
FEW = 100
"""With fewer different values, many documents are equally good."""

LOWER = re.compile(
    r"perplexity|(_|\b)ppl|(_|\b)loss(_|\b)|toxi|spam|nsfw|adult|porn|hate|obscen|profan|gibberish|boilerplate|(low|bad|poor)_?quality"
)
LANGUAGE = re.compile(r"lang")
"""Scores of language identification are no quality."""

MOST = 6
"""The most criteria of a source."""


@dataclass(frozen=True, slots=True)
class Score:
    """A criterion of a source.

    Attributes:
        missing: the share of the sample in which it is null or NaN.
        few: whether many documents have the same score.
    """

    field: Field
    direction: str
    todo: tuple[str, ...]
    missing: float
    few: bool


def fields(found: Sequence[Field]) -> list[Field]:
    """The values that look like quality scores, by their names: numbers with a fraction, or else whole ones."""
    likely = [one for one in found if SCORE.search(_words(one)) and not LANGUAGE.search(_words(one))]
    return [one for one in likely if one.type == "float"] or [one for one in likely if one.type == "integer"]


def scores(found: Sequence[Field], facts: Known) -> list[Score]:
    """The scores of a source that differ between documents."""
    usable = [one for one in fields(found) if facts[one].distinct != 1]
    result = [_score(one, facts) for one in usable[:MOST]]
    if usable[MOST:]:
        first = result[0]
        more = f"other columns that look like scores: {listed(usable[MOST:])}"
        result[0] = replace(first, todo=(*first.todo, more))
    return result


def of_languages(found: Sequence[Field]) -> list[Field]:
    """The scores of language identification."""
    return [one for one in found if one.type == "float" and LANGUAGE.search(_words(one)) and SCORE.search(_words(one))]


def _score(one: Field, facts: Known) -> Score:
    direction = _direction(one.name) or _direction(_words(one))
    todo = () if direction else (f"is higher better? The name {one.shown} does not say it",)
    about = facts[one]
    missing = about.missing / about.rows if about.rows else 0.0
    return Score(one, direction or "higher", todo, missing, about.distinct < min(FEW, about.rows / 2))


def _direction(words: str) -> str | None:
    """Which direction is better, if words say it."""
    if NEGATED.search(words):
        return None
    return "lower" if LOWER.search(words) else "higher" if HIGHER.search(words) else None


def _words(one: Field) -> str:
    return one.reference.lower()
