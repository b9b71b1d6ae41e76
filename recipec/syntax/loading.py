"""Reads recipe files."""

from __future__ import annotations

import codecs
from pathlib import Path

from recipec.diagnostics import Diagnostic, Failure
from recipec.source import Source, irregular, read_bytes

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
        data = read_bytes(path, LARGEST)
    except (OSError, ValueError) as error:
        message = f"the recipe cannot be read: {(getattr(error, 'strerror', None) or str(error)).lower()}"
        raise Failure(Diagnostic("R0001", message, place=str(path))) from None
    return decoded(data, str(path))


def decoded(data: bytes, path: str) -> Source:
    """The text of a recipe.

    Args:
        path: what to show for it.

    Raises:
        Failure: it is too large, or is not UTF-8.
    """
    if len(data) > LARGEST:
        raise Failure(Diagnostic("R0014", f"the recipe has more than {LARGEST:,} bytes", place=path))
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"the recipe is not UTF-8: byte 0x{error.object[error.start]:02x} in line {line}"
        raise Failure(Diagnostic("R0002", message, place=path, helps=("save it as UTF-8",))) from None
    return Source(text.replace("\r\n", "\n").replace("\r", "\n"), path)
