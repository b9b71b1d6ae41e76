"""Errors of the operating system or DuckDB about a full or read-only disk, as diagnostics."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

import duckdb

from recipec.diagnostics import Diagnostic, Failure


@contextlib.contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turns errors of the operating system or DuckDB about a full or read-only disk into diagnostics."""
    try:
        yield
    except OSError as error:
        raise _as_failure(error.errno, error.strerror or str(error), target) from error
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        text = str(error)
        full = any(words in text for words in ("No space left", "failed to offload", "Disk quota", "File too large"))
        if full:
            raise _as_failure(errno.ENOSPC, text.splitlines()[0], target) from error
        if "Read-only file system" in text or "Permission denied" in text:
            raise _as_failure(errno.EROFS, text.splitlines()[0], target) from error
        raise


def _as_failure(number: int | None, text: str, target: Path) -> Failure:
    if number in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        help_ = "finished work is kept; free some space and run the same command again"
        return Failure(Diagnostic("R0604", f"the disk is full: {text}", place=str(target), helps=(help_,)))
    return Failure(Diagnostic("R0603", f"the folder cannot be written: {text}", place=str(target)))
