"""References to values of a row: `lang`, `meta.source.lang`, `tags[1]`, ``meta.`odd key` ``.

A reference is text, so that plans, stored columns and messages can hold it. A name that contains a character of the
notation stands between backquotes, a backquote in it doubled; a name without any is its own reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

Part = str | int
"""The name of a column or field, or the number of an element of a list, from 1."""

PATH = "path`"
FILE = "file`"
ROW = "row`"
"""References to what a document's place says: the path of its shard, the name of that file, and the row's number.

A single backquote ends no reference, so that no column has one of these."""

PLACES = frozenset({PATH, FILE, ROW})

_SPECIAL = re.compile(r"[.\[\]`]")
_PART = re.compile(r"\[(\d+)\]|(?:^|\.)(?:`((?:[^`]|``)*)`|([^.\[\]`]+))", re.DOTALL)


def reference(parts: Sequence[Part]) -> str:
    """The reference to a value by its parts, of which the first is the name of a column."""
    result = ""
    for part in parts:
        if isinstance(part, int):
            result += f"[{part}]"
        else:
            result += ("." if result else "") + (_quoted(part) if not part or _SPECIAL.search(part) else part)
    return result


def pointer(parts: Sequence[Part]) -> str:
    """The JSON pointer (RFC 6901) of a value by its parts; elements of lists are numbered from 0 there."""
    words = (str(part - 1) if isinstance(part, int) else part for part in parts)
    return "".join("/" + word.replace("~", "~0").replace("/", "~1") for word in words)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


@lru_cache(maxsize=4096)
def parts(reference_: str) -> tuple[Part, ...]:
    """The parts of a reference.

    Raises:
        ValueError: the text is none, as a damaged plan may have it.
    """
    if reference_ in PLACES or not _SPECIAL.search(reference_):
        return (reference_,)
    result: list[Part] = []
    at = 0
    while at < len(reference_):
        match = _PART.match(reference_, at)
        if match is None or (at == 0) != (not result) or (match[1] and not result):
            raise ValueError(f"`{reference_}` refers to nothing")
        number, quoted, plain = match.groups()
        result.append(int(number) if number else plain if plain is not None else quoted.replace("``", "`"))
        at = match.end()
    return tuple(result)
