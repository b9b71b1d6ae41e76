"""Standard streams: closed, broken or full ones, and those that cannot show every character."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata

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


def prepare() -> None:
    """Makes the standard streams exist, and lets those of output write any text, whatever their encoding."""
    codecs.register_error("recipec-plain", _plain)
    # A file that is opened while a standard stream is closed takes its place, and gets what is printed.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115 — it stays open
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="recipec-plain")


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
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(SPELLINGS.get(char) or _escaped(char) for char in found), error.end


def _escaped(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode("ascii")
