"""SQL expressions that the text heuristics share. DuckDB computes a repeated expression once per row, so that ten
heuristics over the words of a text split it once.

White space, digits and capitals are those of ASCII; lengths are in code points. Everything is defined for the empty
text.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class NoParams(BaseModel):
    """The parameters of a word that takes none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


WHITESPACE = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"

STOP_WORDS = "['the', 'be', 'to', 'of', 'and', 'that', 'have', 'with']"

TERMINAL = "('.', '!', '?', '\"', '”')"


def words(text: str) -> str:
    """The list of words, separated by white space."""
    return rf"list_filter(string_split_regex({text}, '[ \t\n\v\f\r]+'), lambda w: w <> '')"


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
    kept = (
        f"right(l, 1) IN {TERMINAL} AND NOT contains(lower(l), 'javascript') "
        rf"AND len(string_split_regex(l, '[ \t\v\f\r]+')) >= 5"
    )
    return f"list_filter({filled_lines(text)}, lambda l: {kept})"


def sentences(text: str) -> str:
    """The number of runs of sentence-ending marks, each followed by white space, a closing quote or the end."""
    return rf"len(regexp_extract_all({text}, '[.!?]+[\"”]?([ \t\n\v\f\r]|$)'))"


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
