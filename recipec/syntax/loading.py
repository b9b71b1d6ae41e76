"""Reads recipe files."""

from __future__ import annotations

from pathlib import Path

from recipec.diagnostics import Diagnostic, Failure
from recipec.source import Source, irregular

LARGEST = 4_000_000
"""The most bytes of a recipe file. People write and review recipes; data belongs in shards."""


def load(path: Path) -> Source:
    """The text of a recipe file: UTF-8, with or without BOM, any newlines.

    Raises:
        Failure: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        found = path.stat()
        if what := irregular(found.st_mode):
            raise Failure(Diagnostic("R0001", f"{what} is not a recipe", place=str(path)))
        if found.st_size > LARGEST:
            message = f"the recipe has {found.st_size:,} bytes, more than {LARGEST:,}"
            raise Failure(Diagnostic("R0014", message, place=str(path)))
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        message = f"the recipe cannot be read: {(getattr(error, 'strerror', None) or str(error)).lower()}"
        raise Failure(Diagnostic("R0001", message, place=str(path))) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"the recipe is not UTF-8: byte 0x{data[error.start]:02x} in line {line}"
        raise Failure(Diagnostic("R0002", message, place=str(path), helps=("save it as UTF-8",))) from None
    return Source(text.replace("\r\n", "\n").replace("\r", "\n"), str(path))
