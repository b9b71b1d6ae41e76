"""Reads recipe files."""

from __future__ import annotations

from pathlib import Path

from recipec.diagnostics import Diagnostic, Failure
from recipec.source import Source

LARGEST = 4_000_000
"""The most bytes of a recipe file. People write and review recipes; data belongs in shards."""


def load(path: Path) -> Source:
    """The text of a recipe file: UTF-8, with or without BOM, any newlines.

    Raises:
        Failure: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        if path.is_dir():
            raise Failure(Diagnostic("R0001", "a folder is not a recipe", place=str(path)))
        size = path.stat().st_size
        if size > LARGEST:
            message = f"the recipe has {size:,} bytes, more than {LARGEST:,}"
            raise Failure(Diagnostic("R0014", message, place=str(path)))
        data = path.read_bytes()
    except OSError as error:
        message = f"the recipe cannot be read: {(error.strerror or str(error)).lower()}"
        raise Failure(Diagnostic("R0001", message, place=str(path))) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"the recipe is not UTF-8: byte 0x{data[error.start]:02x} in line {line}"
        raise Failure(Diagnostic("R0002", message, place=str(path), helps=("save it as UTF-8",))) from None
    return Source(text.replace("\r\n", "\n").replace("\r", "\n"), str(path))
