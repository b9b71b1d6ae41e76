"""Standard streams: everything printed passes through `Guarded`, which lets no control character of a stranger through.

They may be closed, broken or full, and may be unable to show every character.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from recipec.cli import screen
from recipec.diagnostics import Diagnostic, Failure

SPELLINGS = {
    **dict.fromkeys("▁▂▃▄▅▆▇█", "#"),
    **dict.fromkeys("•▪", "*"),
    **{digit: f"^{number}" for number, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{chr(code): unicodedata.name(chr(code)).split()[-1].lower() for code in range(ord("α"), ord("ω") + 1)},
    **dict(zip("…·×−—→±≥≤⁻", ("...", ".", "x", "-", "-", "->", "+/-", ">=", "<=", "^-"), strict=True)),
    **dict(zip("⌈⌉─│└‣Σ√λ", ("ceil(", ")", "-", "|", "+", ">", "sum", "sqrt", "lambda"), strict=True)),
}
"""How the characters of our own texts are written in ASCII; others are written as `\\u4e2d`."""


class Guarded:
    """A stream of text on which every character can be seen, and none steers the terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.table = screen.TEXT

    def write(self, text: str) -> int:
        self.stream.write(text.translate(self.table))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def prepare() -> None:
    """Makes the standard streams exist, and lets those of output write any text, whatever their encoding."""
    codecs.register_error("recipec-plain", _plain)
    codecs.register_error("recipec-json", _in_json)
    # A file that is opened while a standard stream is closed takes its place, and gets what is printed.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115 — it stays open
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="recipec-plain")
    # For good: what Python itself says at the end of a broken process is about values of strangers, too.
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Guards the standard streams while the block runs."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_guarded, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _guarded(stream: TextIO) -> TextIO:
    return stream if isinstance(stream, Guarded) else cast("TextIO", Guarded(stream))


def own(stream: TextIO) -> TextIO:
    """The stream behind the guard, for colours and movements that are ours: the text between them has to be clean."""
    return stream.stream if isinstance(stream, Guarded) else stream


def as_json() -> None:
    """From now on, standard output is JSON: its escapes are those of JSON."""
    if isinstance(sys.stdout, Guarded):
        sys.stdout.table = screen.JSON
        if getattr(sys.stdout, "errors", "") == "recipec-plain":
            sys.stdout.reconfigure(errors="recipec-json")


def write_exactly(text: str) -> None:
    """Prints a file: as it is into another program, but not onto a terminal."""
    (sys.stdout if sys.stdout.isatty() else own(sys.stdout)).write(text)


def flush() -> Failure | None:
    """Writes what was printed; the failure if that cannot be done, for example because the disk is full.

    Raises:
        BrokenPipeError: nobody reads it.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon()
        return Failure(Diagnostic("R0706", f"the output cannot be written: {error.strerror}"))
    return None


def abandon() -> None:
    """Drops what is still to be written to standard output, which Python would try again at its end."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _plain(error: UnicodeError) -> tuple[str, int]:
    """An error handler of `codecs`: what is written instead of the characters that cannot be, and where to go on."""
    found, end = _unwritable(error)
    return "".join(SPELLINGS.get(char) or _escaped(char) for char in found), end


def _in_json(error: UnicodeError) -> tuple[str, int]:
    """As `_plain`, where every value has to stay what it is."""
    found, end = _unwritable(error)
    return "".join(map(screen.json_escape, found)), end


def _unwritable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return error.object[error.start : error.end], error.end


def _escaped(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode("ascii")
