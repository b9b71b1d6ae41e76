"""Braces in globs, expanded as bash does: `{a,b}` -> `a`, `b`; `{08..10}` -> `08`, `09`, `10`; also nested.

A brace that is not closed, or has neither a comma nor a range, is a character like any other, and so are `[{]`, `[}]`
and `[,]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from recipec.diagnostics import Diagnostic, Failure

MOST = 100_000
"""The most paths that one glob may stand for."""

DEEPEST = 50
"""How deeply braces may be nested; Python's own stack ends somewhat later."""

WORDS = re.compile(r"\[[{},]\]|[{},]|[^{},\[]+|\[", re.DOTALL)

NUMBERS = re.compile(r"(-?[0-9]{1,15})\.\.(-?[0-9]{1,15})(?:\.\.(-?[0-9]{1,15}))?")
LETTERS = re.compile(r"([a-z])\.\.([a-z])|([A-Z])\.\.([A-Z])")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several alternatives, or of the words of a range."""

    alternatives: tuple[Parts, ...] | Sequence[str]


Parts = tuple["str | Choice", ...]
"""Pieces of a glob that follow each other."""


def expand(text: str) -> Iterator[str]:
    """The texts that a text with braces stands for, in bash's order; one that is empty is left out, as there.

    Raises:
        Failure: there are more than `MOST`, or braces are nested more than `DEEPEST` deep.
    """
    if "{" not in text:
        return iter((text,))
    parts = _parts(text)
    if _count(parts) > MOST:
        message = f"the braces of `{text:.80}` stand for more than {MOST:,} paths"
        raise Failure(Diagnostic("R0301", message, helps=("write `*` where every name will do",)))
    return filter(None, _texts(parts))


def _parts(text: str) -> Parts:
    """The pieces of a text. Each open brace has the alternatives that it has so far; the text is the outermost."""
    open_: list[list[list[str | Choice]]] = [[[]]]
    for word in WORDS.findall(text):
        if word == "{":
            open_.append([[]])
            if len(open_) > DEEPEST + 1:
                raise Failure(Diagnostic("R0301", f"braces are nested more than {DEEPEST} deep in `{text:.80}`"))
        elif word == "," and len(open_) > 1:
            open_[-1].append([])
        elif word == "}" and len(open_) > 1:
            open_[-2][-1] += _closed(open_.pop())
        else:
            open_[-1][-1].append(word)
    while len(open_) > 1:
        # Never closed: what was found after it stands, with the brace and its commas as they are.
        open_[-2][-1] += ["{", *_literal(open_.pop())]
    return tuple(open_[0][0])


def _closed(alternatives: list[list[str | Choice]]) -> list[str | Choice]:
    if len(alternatives) > 1:
        return [Choice(tuple(tuple(one) for one in alternatives))]
    only = alternatives[0]
    text = "".join(part for part in only if isinstance(part, str)) if len(only) == 1 else ""
    found = _range(text)
    return ["{", *only, "}"] if found is None else [Choice(found)]


def _literal(alternatives: list[list[str | Choice]]) -> list[str | Choice]:
    result = alternatives[0]
    for one in alternatives[1:]:
        result = [*result, ",", *one]
    return result


def _range(text: str) -> Sequence[str] | None:
    """The words of `08..10` or `a..c`, or None if a text is no range."""
    if letters := LETTERS.fullmatch(text):
        start, stop = (ord(letter) for letter in letters.groups() if letter)
        return [chr(code) for code in _steps(start, stop, 1)]
    if not (numbers := NUMBERS.fullmatch(text)):
        return None
    first, last = numbers[1], numbers[2]
    step = abs(int(numbers[3] or 1)) or 1
    padded = any(re.match("-?0[0-9]", end) for end in (first, last))
    width = max(len(first), len(last)) if padded else 0
    # One more than may be, so that too many are noticed before they are all made.
    return [f"{number:0{width}d}" for number in _steps(int(first), int(last), step)[: MOST + 1]]


def _steps(first: int, last: int, step: int) -> range:
    return range(first, last + 1, step) if first <= last else range(first, last - 1, -step)


def _count(parts: Parts) -> int:
    total = 1
    for part in parts:
        if isinstance(part, Choice):
            total *= sum(1 if isinstance(one, str) else _count(one) for one in part.alternatives)
    return total


def _texts(parts: Parts) -> Iterator[str]:
    choices = [(part,) if isinstance(part, str) else _words(part) for part in parts]
    return ("".join(words) for words in product(*choices))


def _words(choice: Choice) -> list[str]:
    return [word for one in choice.alternatives for word in ((one,) if isinstance(one, str) else _texts(one))]
