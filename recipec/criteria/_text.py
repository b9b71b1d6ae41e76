"""SQL expressions that the text heuristics share. DuckDB computes a repeated expression once per row, so that ten
heuristics over the words of a text split it once.

Words are those of `_scripts`. The white space around lines, digits and capitals are those of ASCII; lengths are in code
points. Everything is defined for the empty text.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from recipec.criteria import _scripts


class NoParams(BaseModel):
    """The parameters of a word that takes none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Foreign(BaseModel):
    """The parameters of a rule that means nothing for some scripts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    foreign: Literal["counted", "missing"] = Field(
        "counted", description="whether texts in scripts for which the value means nothing have it, or none (null)"
    )


WHITESPACE = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"

STOP_WORDS = "['the', 'be', 'to', 'of', 'and', 'that', 'have', 'with']"

STOPS = "。！？．｡؟۔।॥։።፧།༎၊။។៕᠃᠉‼⁇⁈⁉"
"""Marks that end a sentence, beside those of ASCII (Unicode's Sentence_Terminal, of the scripts in use)."""

ENDS = f"{STOPS}.!?”」』"
"""Terminal punctuation, beside the quotation mark of ASCII."""


def words(text: str) -> str:
    """The list of words."""
    return f"regexp_extract_all({text}, '{_scripts.word()}')"


def spaced_words(text: str) -> str:
    """The list of those words that white space separates, without the characters of scripts without spaces."""
    unspaced = f"'[{_scripts.class_of(_scripts.UNSPACED)}]'"
    # What only a branch has would be computed again: the condition has the words too.
    few = f"len({words(text)}) = 0 OR NOT regexp_matches({text}, {unspaced})"
    spaced = f"list_filter({words(text)}, lambda w: NOT regexp_matches(w, {unspaced}))"
    return f"(CASE WHEN {few} THEN {words(text)} ELSE {spaced} END)"


def ends(line: str) -> str:
    """Whether a line ends with terminal punctuation, of any script."""
    return f"(contains('{ENDS}', right({line}, 1)) OR right({line}, 1) = '\"')"


def unless(params: Foreign, most: str, number: str) -> str:
    """A number, or, if the parameters say so, null where a condition holds: where a rule means nothing for a text."""
    if params.foreign == "counted":
        return number
    # A sum, because what only a branch of a CASE has is not shared with other values.
    return f"({number} + (CASE WHEN {most} THEN NULL ELSE 0 END))"


def not_latin(text: str) -> str:
    """Whether a text has more words of other scripts than Latin ones, so that English words say nothing about it."""
    single = f"[{_scripts.class_of(_scripts.UNSPACED)}][{_scripts.class_of(_scripts.MARKS)}]*"
    others = f"{single}|[{_scripts.class_of(_scripts.NOT_LATIN)}]+"
    latin = f"[{_scripts.class_of(_scripts.LATIN)}]+"
    more = f"len(regexp_extract_all({text}, '{others}')) > len(regexp_extract_all({text}, '{latin}'))"
    return _when_any(text, _scripts.NOT_LATIN, more)


def unpunctuated(text: str) -> str:
    """Whether more than half of a text is in a script without punctuation at the end of a sentence (Thai, Lao)."""
    rest = f"length(regexp_replace({text}, '[{_scripts.class_of(_scripts.UNPUNCTUATED)}]+', '', 'g'))"
    return _when_any(text, _scripts.UNPUNCTUATED, f"2 * {rest} < length({text})")


def _when_any(text: str, ranges: str, condition: str) -> str:
    """A condition that holds only of texts with characters of some ranges: one reading answers it for most texts."""
    return f"(CASE WHEN regexp_matches({text}, '[{_scripts.class_of(ranges)}]') THEN {condition} ELSE false END)"


def filled_lines(text: str) -> str:
    """The list of non-empty lines, without surrounding white space."""
    stripped = f"list_transform(string_split({text}, chr(10)), lambda l: trim(l, {WHITESPACE}))"
    return f"list_filter({stripped}, lambda l: l <> '')"


def paragraphs(text: str) -> str:
    """The list of paragraphs, separated by lines that are empty or white space."""
    pieces = rf"string_split_regex({text}, '\n[ \t\v\f\r]*(\n[ \t\v\f\r]*)+')"
    stripped = f"list_transform({pieces}, lambda p: trim(p, {WHITESPACE}))"
    return f"list_filter({stripped}, lambda p: p <> '')"


def c4_lines(text: str) -> str:
    """The list of lines that C4 keeps: five words or more, terminal punctuation, no `javascript`."""
    kept = f"{ends('l')} AND NOT contains(lower(l), 'javascript') AND len({words('l')}) >= 5"
    return f"list_filter({filled_lines(text)}, lambda l: {kept})"


def sentences(text: str) -> str:
    """The number of runs of sentence-ending marks. Those of ASCII count where white space, a closing quote or the end
    follows, those of other scripts everywhere."""
    space = _scripts.class_of(_scripts.SPACES)
    return rf"len(regexp_extract_all({text}, '[.!?]+[\"”]?([{space}]|$)|[{STOPS}]+'))"


def occurrences(text: str, piece: str) -> str:
    """The number of non-overlapping occurrences of `piece`, which must not contain quotes."""
    return f"((length({text}) - length(replace({text}, '{piece}', ''))) // {len(piece)})"


def ratio(part: str, whole: str) -> str:
    """`part` / `whole` as a float; 0 if `whole` is 0."""
    return f"(CASE WHEN ({whole}) > 0 THEN CAST({part} AS DOUBLE) / ({whole}) ELSE CAST(0 AS DOUBLE) END)"


def repeated_characters(pieces: str) -> str:
    """Share of the characters of a list of strings that are in repeats of earlier strings of the list."""
    whole = f"list_sum(list_transform({pieces}, lambda p: length(p)))"
    once = f"list_sum(list_transform(list_distinct({pieces}), lambda p: length(p)))"
    return ratio(f"({whole} - {once})", whole)
