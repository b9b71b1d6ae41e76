"""Output of diagnostics, as text or as JSON.

error[R0204]: unknown name `lnag`: source `web` has no such column, and there is no criterion of that name
  --> science.recipe:12:7
   |
12 | where lnag == "en"
   |       ^^^^ not known here
   |
   = help: did you mean `lang`?
"""

from __future__ import annotations

import json as json_module
import os
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from recipec.cli import screen, streams
from recipec.diagnostics import Diagnostic, Severity
from recipec.source import Span

LONGEST_LINE = 160
"""Maximum number of characters shown of a recipe line, since a mistake may be far to the right of any screen."""


MOST_SHOWN = 1_000
"""Maximum number of diagnostics shown as text; only the number of the others is printed. JSON has all of them."""


def show_diagnostics(diagnostics: Sequence[Diagnostic], *, json: bool) -> None:
    """Prints the diagnostics on stderr; with `json`, all of them as one value on stdout."""
    if json:
        print(json_module.dumps({"diagnostics": [as_json(one) for one in diagnostics]}, indent=2, ensure_ascii=False))
        return
    if not diagnostics:
        return
    colors = sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    # What `render` returns is clean, and the colours are ours.
    stream = streams.own(sys.stderr)
    print("\n".join(render(one, colors=colors) for one in diagnostics[:MOST_SHOWN]), file=stream)
    if len(diagnostics) > MOST_SHOWN:
        print(f"and {len(diagnostics) - MOST_SHOWN:,} more", file=sys.stderr)


def show_note(words: str) -> None:
    """Prints a note on stderr."""
    print(f"recipec: {words}", file=sys.stderr)


def render(diagnostic: Diagnostic, *, colors: bool = False) -> str:
    """Renders one diagnostic as text in which everything can be seen, with a trailing newline."""
    word = diagnostic.severity.value
    diagnostic = _visible(diagnostic)
    head = f"{word}[{diagnostic.code}]"
    color = "\x1b[1;31m" if diagnostic.severity is Severity.ERROR else "\x1b[1;33m"
    lines = [f"{color}{head}\x1b[0m: {diagnostic.message}" if colors else f"{head}: {diagnostic.message}"]
    places = [(diagnostic.span, diagnostic.label, "^")] if diagnostic.span else []
    places += [(label.span, label.message, "-") for label in diagnostic.labels]
    width = max((len(str(span.line)) for span, _, _ in places), default=1)
    if diagnostic.place:
        lines.append(f"{' ' * width}--> {diagnostic.place}")
    previous: Span | None = None
    for span, label, mark in places:
        if previous is None or previous.source.path != span.source.path:
            lines += [f"{' ' * width}--> {screen.one_line(str(span))}", f"{' ' * width} |"]
        else:
            lines.append(f"{' ' * width} |")
        lines += [
            f"{span.line:>{width}} | {_shown(span)}",
            f"{' ' * width} | {_underline(span, mark)} {label}".rstrip(),
        ]
        previous = span
    if diagnostic.helps and places:
        lines.append(f"{' ' * width} |")
    lines += [f"{' ' * width} = help: {text}" for text in diagnostic.helps]
    return "\n".join(lines) + "\n"


def _visible(diagnostic: Diagnostic) -> Diagnostic:
    return replace(
        diagnostic,
        message=screen.one_line(diagnostic.message),
        label=screen.one_line(diagnostic.label),
        labels=tuple(replace(one, message=screen.one_line(one.message)) for one in diagnostic.labels),
        helps=tuple(map(screen.one_line, diagnostic.helps)),
        place=screen.one_line(diagnostic.place),
    )


def _window(span: Span) -> int:
    """The index of the first character of the line that is shown."""
    return max(0, span.column - 1 - LONGEST_LINE // 2) if span.column > LONGEST_LINE - 20 else 0


def _shown(span: Span) -> str:
    start = _window(span)
    text = span.source.part_of_line(span.line, start, start + LONGEST_LINE)
    return _line(text)


def _underline(span: Span, mark: str) -> str:
    window, column = _window(span), span.column - 1
    text = span.source.part_of_line(span.line, window, window + LONGEST_LINE)
    before, length = column - window, span.end - span.start
    return " " * _width(text[:before]) + mark * max(1, _width(text[before : before + length]))


def _line(text: str) -> str:
    """A piece of a recipe's line as it is shown; a tab is one column, so that the carets stay below their words."""
    return screen.one_line(text.replace("\t", " "))


def _width(text: str) -> int:
    """Width of a piece of a line in terminal columns: two for an ideograph, none for a combining mark."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in _line(text)
    )


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic in the documented shape: severity, code, message, place, span, label, labels, helps."""
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "place": diagnostic.place or None,
        "span": _span(diagnostic.span),
        "label": diagnostic.label or None,
        "labels": [{"span": _span(label.span), "message": label.message} for label in diagnostic.labels],
        "helps": list(diagnostic.helps),
    }


def _span(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    end = span.source.position(span.end)
    return {
        "file": span.source.path,
        "line": span.line,
        "column": span.column,
        "end_line": end[0],
        "end_column": end[1],
    }
