"""One writer per state folder. The kernel holds the lock: it ends with the process that owns it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.places.digests import canonical_json
from recipec.places.local import write_text
from recipec.places.state import prepare


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
        write_text(holder, canonical_json(this_process()))
        yield
    finally:
        holder.unlink(missing_ok=True)
        gate.release()


def this_process() -> dict[str, str | int]:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return {"pid": os.getpid(), "host": platform.node(), "command": " ".join(sys.argv), "since": since}


def locked(state: Path, holder: Path) -> Diagnostic:
    """The diagnostic that names the holder of the lock, if its note can be read: it may not be written yet."""
    message = "the state folder is in use by another process"
    try:
        note = json.loads(holder.read_text(encoding="utf-8"))
        message = (
            f"the state folder is in use by process {note['pid']} on {note['host']} "
            f"since {note['since']}: `{note['command']}`"
        )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Diagnostic("R0608", message, place=str(state), helps=("wait until it finishes, or stop it",))
