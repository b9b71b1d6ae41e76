"""One writer per state folder and per dataset. The kernel holds the locks: they end with the process that owns them."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.places.digests import canonical_json
from recipec.places.local import LARGEST_NOTE, read_text, write_text
from recipec.places.state import prepare

if TYPE_CHECKING:
    from filelock import FileLock


@contextlib.contextmanager
def lock(state: Path) -> Iterator[None]:
    """Makes this process the only writer of a state folder while the block runs.

    The kernel releases the lock of a dead process; `lock.json` only tells users who holds the lock.

    Raises:
        Failure: another process holds it (exit code `LOCKED`), or the folder cannot be written.
    """
    import filelock

    holder = state / "lock.json"
    gate = filelock.FileLock(state / "lock", timeout=0)
    try:
        state.mkdir(parents=True, exist_ok=True)
        prepare(state)
        gate.acquire()
    except filelock.Timeout:
        raise Failure(locked(state, holder), exit_code=ExitCode.LOCKED) from None
    except OSError as error:
        raise Failure(
            Diagnostic("R0603", f"the state folder cannot be written: {error.strerror}", place=str(state))
        ) from None
    try:
        write_text(holder, canonical_json(this_process().model_dump(mode="json")))
        yield
    finally:
        holder.unlink(missing_ok=True)
        gate.release()


@contextlib.contextmanager
def output(destination: Path, what: str = "dataset") -> Iterator[None]:
    """Makes this process the only writer of a dataset, or of another folder, while the block runs, whatever state folders
    others have.

    Raises:
        Failure: another process writes it (exit code `LOCKED`), or nothing can be written beside it.
    """
    import filelock

    path = destination.with_name(f".{destination.name}.lock")
    try:
        gate = _acquired(path)
    except filelock.Timeout:
        helps = ("wait until it finishes, or stop it",)
        message = f"another process is writing this {what}"
        raise Failure(
            Diagnostic("R0608", message, place=str(destination), helps=helps), exit_code=ExitCode.LOCKED
        ) from None
    except OSError as error:
        message = f"the output folder cannot be written: {error.strerror}"
        raise Failure(Diagnostic("R0603", message, place=str(destination.parent))) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        gate.release()


def _acquired(path: Path) -> FileLock:
    """A lock whose file exists: an earlier holder removes the file, perhaps after it was opened here."""
    import filelock

    while True:
        held: list[int] = []
        gate = filelock.FileLock(path, timeout=0, on_acquired=held.append)
        gate.acquire()
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(held[0])):
                return gate
        gate.release()


class Holder(Frozen):
    """The process that holds a lock, as its note says for people."""

    pid: closed.Count
    host: str
    command: str
    since: str


def this_process() -> Holder:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    # The name of a file need not be UTF-8.
    command = " ".join(sys.argv).encode("utf-8", "backslashreplace").decode()
    return Holder(pid=os.getpid(), host=platform.node(), command=command, since=since)


def locked(state: Path, holder: Path) -> Diagnostic:
    """The diagnostic that names the holder of the lock, if its note can be read: it may not be written yet."""
    message = "the state folder is in use by another process"
    try:
        note = closed.parsed(Holder, read_text(holder, LARGEST_NOTE))
        message = (
            f"the state folder is in use by process {note.pid} on {note.host} since {note.since}: `{note.command}`"
        )
    except (OSError, ValueError):
        pass
    return Diagnostic("R0608", message, place=str(state), helps=("wait until it finishes, or stop it",))
