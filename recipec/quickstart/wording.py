"""Names and comments of a starter recipe."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from recipec.source import Source, Span
from recipec.syntax import ast, printing

NOWHERE = Span(Source("", ""), 0, 0)

WIDTH = 110


def word(text: str) -> str:
    """Turns any text into a plain word."""
    return re.sub(r"^[\d_]+", "", re.sub(r"\W+", "_", text).strip("_")) or "source"


def distinct(names: Sequence[str]) -> list[str]:
    """Plain words for some names, with a number where one comes again, whatever its case."""
    result: list[str] = []
    for name in map(word, names):
        used = {one.lower() for one in result}
        numbered = (f"{name}_{number}" for number in range(2, len(names) + 2))
        result.append(next(one for one in (name, *numbered) if one.lower() not in used))
    return result


def quoted(name: str) -> str:
    """A name as a recipe has it: in back quotes if it means something else without."""
    return printing.name(ast.Name(name, span=NOWHERE))


def shown(text: object) -> str:
    """A text of strangers as a part of a comment: on one line, without control characters."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))


def count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def comments(todo: Iterable[str]) -> list[str]:
    """What is to be checked, as comments that begin with TODO."""
    return [line for one in todo for line in _wrapped(one)]


def _wrapped(todo: str) -> list[str]:
    """The lines of a comment; what stands between back quotes stays on one."""
    kept = re.sub("`[^`]*`", lambda quoted: quoted[0].replace(" ", "\0"), todo)
    lines = textwrap.wrap(
        kept, WIDTH, initial_indent="# TODO: ", subsequent_indent="#   ", break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines]
