"""Splits a recipe into statements before the grammar is applied: brackets, strings, comments and newlines.

A statement ends at a newline outside all brackets, unless the line before it ends or the next one begins with an
operator. Comments and newlines that end nothing become spaces, so that offsets stay the same and the grammar needs no
rule for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from recipec.diagnostics import Diagnostic, Label
from recipec.source import Source, Span

DEEPEST = 100
"""The deepest nesting of brackets. Real recipes have three levels; a recursive parser needs a limit."""

STATEMENTS = [
    "use",
    "needs",
    "param",
    "seed",
    "source",
    "target",
    "where",
    "criterion",
    "quality",
    "sample",
    "mixture",
    "quota",
    "repeat",
    "budget",
    "phases",
    "search",
    "shortfall",
    "oversize",
    "allow",
    "output",
]
"""The words that begin a statement, in the order of the canonical form."""

TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<quoted>`[^`\n]+`) | (?P<open_string>"[^\n]*)
    | (?P<newline>\n) | (?P<space>[^\S\n]+) | (?P<share>(?:\.\.)?[0-9][\w.]*%(?![\w(])) | (?P<word>[\w.$]+)
    | (?P<open>[({]) | (?P<close>[)}])
    | (?P<operator>==|!=|<=|>=|[-+*/%<>=,:]) | (?P<other>.)""",
    re.VERBOSE,
)

CONTINUING = frozenset({"and", "or", "not", "in", "is", "matches"})
"""Words after or before which (`not`: only after) an expression continues on another line."""

HIDDEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that steer a terminal or change the order in which a line is read: a comment with them is not what it seems."""

CLOSERS = {"(": ")", "{": "}"}


@dataclass(frozen=True, slots=True)
class Comment:
    start: int
    end: int
    own_line: bool


@dataclass(slots=True)
class Scan:
    """`text` is the source with comments and insignificant newlines as spaces; `statements` are ranges of it."""

    text: str = ""
    statements: list[tuple[int, int]] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def scan(source: Source) -> Scan:
    """The statements of a source.

    After a bracket that is never closed, scanning resumes at the next unindented line that begins with the word of a
    statement.
    """
    result = Scan()
    characters = list(source.text)
    start = 0
    while start < len(source.text):
        start = _scan_from(source, start, result, characters)
    result.text = "".join(characters)
    return result


def _scan_from(source: Source, start: int, result: Scan, characters: list[str]) -> int:
    """Scans to the end or to a bracket or string error; returns the offset at which to continue."""
    stack: list[tuple[str, int]] = []
    begun: int | None = None
    end = start
    before = ""
    newline: int | None = None
    for match in TOKEN.finditer(source.text, start):
        kind, word = match.lastgroup, match.group()
        if kind == "space":
            continue
        if kind == "comment":
            line_start = source.text.rfind("\n", 0, match.start()) + 1
            own = not source.text[line_start : match.start()].strip()
            result.comments.append(Comment(match.start(), match.end(), own))
            if hidden := HIDDEN.search(word):
                place = match.start() + hidden.start()
                message = f"a comment with the control character U+{ord(hidden[0]):04X}"
                result.diagnostics.append(Diagnostic("R0008", message, Span(source, place, place + 1), "remove it"))
            characters[match.start() : match.end()] = " " * len(word)
            continue
        if kind == "newline":
            characters[match.start()] = " "
            if newline is None and not _continues_after(before) and not (stack and stack[-1][0] == "("):
                newline = match.start()
            continue
        if newline is not None and not _continues_with(kind or "", word):
            if stack:
                characters[newline] = "\n"
            elif begun is not None:
                result.statements.append((begun, end))
                begun = None
        newline, before = None, word
        begun = match.start() if begun is None else begun
        end = match.end()
        if kind == "open_string" and stack and _next_statement(source.text, stack[0][1]) <= match.start():
            return _unclosed(source, stack[:1], result)
        if kind == "open_string":
            span = Span(source, match.start(), match.end())
            result.diagnostics.append(Diagnostic("R0003", "the string has no end", span, "begins here"))
            begun, stack = None, []
            return _next_line(source.text, match.end())
        if kind == "open":
            stack.append((word, match.start()))
            if len(stack) > DEEPEST:
                return _too_deep(source, match.start(), result)
        elif kind == "close" and not _closed(source, word, match.start(), stack, result):
            return _next_statement(source.text, match.end())
    if stack:
        return _unclosed(source, stack, result)
    if begun is not None:
        result.statements.append((begun, end))
    return len(source.text)


def _continues_after(before: str) -> bool:
    return before in CONTINUING or before in {"(", "{", ",", ":", ""} or before in _OPERATORS


def _continues_with(kind: str, word: str) -> bool:
    if kind in ("close", "operator"):
        return True
    return word == "{" or word == "then" or (word in CONTINUING and word != "not")


_OPERATORS = frozenset(["==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%"])


def _closed(source: Source, word: str, position: int, stack: list[tuple[str, int]], result: Scan) -> bool:
    """Pops the bracket that `word` closes; adds a diagnostic and returns False if it closes none."""
    span = Span(source, position, position + 1)
    if not stack:
        result.diagnostics.append(Diagnostic("R0004", f"`{word}` has no matching opening bracket", span))
        return False
    opener, opened = stack.pop()
    if CLOSERS[opener] != word:
        also = (Label(Span(source, opened, opened + 1), "opened here"),)
        message = f"expected `{CLOSERS[opener]}`, found `{word}`"
        result.diagnostics.append(Diagnostic("R0004", message, span, labels=also))
        return False
    return True


def _too_deep(source: Source, position: int, result: Scan) -> int:
    span = Span(source, position, position + 1)
    result.diagnostics.append(Diagnostic("R0006", f"more than {DEEPEST} levels of nested brackets", span))
    return _next_statement(source.text, position)


def _unclosed(source: Source, stack: list[tuple[str, int]], result: Scan) -> int:
    opener, opened = stack[-1]
    span = Span(source, opened, opened + 1)
    result.diagnostics.append(
        Diagnostic("R0005", f"`{opener}` is never closed", span, helps=(f"add `{CLOSERS[opener]}`",))
    )
    return _next_statement(source.text, opened)


def _next_line(text: str, position: int) -> int:
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


_BEGINNING = re.compile(rf"^(?:{'|'.join(STATEMENTS)})\b", re.MULTILINE)


def _next_statement(text: str, position: int) -> int:
    found = _BEGINNING.search(text, _next_line(text, position))
    return found.start() if found else len(text)
