"""Limits of the machine: a full or read-only disk, too little memory, too many open files, as diagnostics.

DuckDB reports them while it reads a shard or writes a result; neither is to blame.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from recipec.diagnostics import Diagnostic, Failure
from recipec.numbers import plain
from recipec.places import descriptors, failures

DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)

FULL = ("No space left", "failed to offload", "Disk quota", "File too large")

MEMORY = re.compile(r"of size ([0-9.]+ \w+) \([^()/]*/([0-9.]+ \w+) used\)")
"""What DuckDB needed, and its limit."""

LEAST_MEMORY = 64_000_000
"""The fewest bytes of memory with which the engine can read a small Parquet file."""


@contextlib.contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turns errors of the operating system or DuckDB about writing to `target`, and about limits, into diagnostics."""
    try:
        yield
    except (OSError, MemoryError, duckdb.Error) as error:
        failure = limit_reached(error, str(target)) or _not_writable(error, target)
        if failure is None:
            raise
        raise failure from error


def limit_reached(error: BaseException, place: str) -> Failure | None:
    """The failure for an error that comes from a full disk, too little memory, too many open files, or a store that an
    engine reads; None for others.

    Args:
        place: the folder that was written, or the file that was read, if the error does not say which.
    """
    if (failure := failures.named(error)) is not None:
        return failure
    number, text = getattr(error, "errno", None), _first_line(error)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or _is(error, FULL):
        help_ = "finished work is kept; free some space and run the same command again"
        return Failure(Diagnostic("R0604", f"the disk is full: {text}", place=place, helps=(help_,)))
    if number in (errno.EMFILE, errno.ENFILE) or _is(error, ("Too many open files",)):
        message = f"too many open files: this process may have {descriptors.limit():,}"
        helps = ("allow more with `ulimit -n 1024`, or merge small shards",)
        return Failure(Diagnostic("R0614", message, place=_named(error) or place, helps=helps))
    if number == errno.ENOMEM or isinstance(error, (MemoryError, duckdb.OutOfMemoryException)):
        return Failure(_memory(text))
    if text == "can't start new thread":
        message = "the system lets this process start no more threads"
        return Failure(Diagnostic("R0613", message, helps=("use fewer, as in `--threads 1`, or end other programs",)))
    return None


def check_memory(limit: int) -> None:
    """Raises Failure if the engine may use too few bytes for any work."""
    # DuckDB tells its limit rounded.
    if limit < 0.99 * LEAST_MEMORY:
        message = f"{plain(limit / 1e6, 3)} MB of memory is too little: at least {LEAST_MEMORY / 1e6:.0f} MB are needed"
        raise Failure(Diagnostic("R0613", message, helps=("for example `--memory 1GB`; 4GB is the default",)))


def _memory(text: str) -> Diagnostic:
    found = MEMORY.search(text)
    if found is None:
        message = "this machine has too little memory for the engine: " + (text or "an allocation failed")
        helps = ("give less to the engine, as in `--memory 1GB --threads 1`, or end other programs",)
    else:
        message = f"the memory limit of {found[2]} is too small: {found[1]} more are needed at once"
        helps = ("give more, as in `--memory 4GB`, or use fewer threads, which have buffers of their own",)
    return Diagnostic("R0613", message, helps=helps)


def _is(error: BaseException, words: tuple[str, ...]) -> bool:
    return isinstance(error, duckdb.Error) and any(word in str(error) for word in words)


def _first_line(error: BaseException) -> str:
    """What the error says, without the name of its kind."""
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, duckdb.Error):
        return first.partition(": ")[2] or first
    return getattr(error, "strerror", None) or first


def _named(error: BaseException) -> str:
    """The file that an error names; "" if none."""
    found = re.search(r'Cannot open file "([^"]+)"', str(error))
    return found[1] if found else str(getattr(error, "filename", None) or "")


def _not_writable(error: BaseException, target: Path) -> Failure | None:
    """The failure for an error of the operating system about a file: one below `target` was to be written."""
    if isinstance(error, OSError):
        named = error.filename if isinstance(error.filename, str) else ""
        if error.errno not in DENIED or (named and not Path(named).is_relative_to(target)):
            return Failure(
                Diagnostic("R0706", f"a file cannot be used: {_first_line(error)}", place=named or str(target))
            )
    elif not _is(error, ("Read-only file system", "Permission denied")):
        return None
    return Failure(Diagnostic("R0603", f"the folder cannot be written: {_first_line(error)}", place=str(target)))
