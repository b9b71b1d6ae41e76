"""Files that are whole or absent, and folders with one writer.

Everything is written under a temporary name beside its final one, synced, then renamed, so that a process killed at
any line leaves either the old state or the new one. The lock is the kernel's: it ends with the process that holds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipec.diagnostics import Diagnostic, ExitCode, Failure


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; when the block ends well, what was written there is synced and renamed to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Forces a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: one text for one value, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@contextlib.contextmanager
def lock(state: Path) -> Iterator[None]:
    """Makes this process the one writer of a state folder while the block runs.

    A lock of a dead process is no lock, since the kernel let go of it; `lock.json` only tells people who holds it.

    Raises:
        Failure: another process holds it (exit code `LOCKED`), or the folder cannot be written.
    """
    import filelock

    holder = state / "lock.json"
    gate = filelock.FileLock(state / "lock", timeout=0)
    try:
        state.mkdir(parents=True, exist_ok=True)
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
    """Who holds the lock, as far as its note can be read: the holder may be between lock and note."""
    message = "the state folder is in use by another process"
    try:
        note = json.loads(holder.read_text(encoding="utf-8"))
        message = (
            f"the state folder is in use by process {note['pid']} on {note['host']} "
            f"since {note['since']}: `{note['command']}`"
        )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Diagnostic("R0608", message, place=str(state), helps=("wait until it has ended, or end it",))


def publish_folder(staging: Path, destination: Path) -> None:
    """Gives a finished folder its name. One that stood there is put aside first and removed last, so that at any
    moment either it, its replacement, or (between two renames, until `recover_folder`) the one put aside is whole."""
    aside = set_aside(destination)
    if destination.exists():
        destination.rename(aside)
    staging.rename(destination)
    sync(destination.parent)
    if aside.exists():
        shutil.rmtree(aside)


def recover_folder(destination: Path) -> None:
    """Ends a `publish_folder` that was killed: the old folder returns, or goes if the new one has its place."""
    aside = set_aside(destination)
    if aside.is_dir() and not destination.exists():
        aside.rename(destination)
    elif aside.is_dir():
        shutil.rmtree(aside)


def set_aside(destination: Path) -> Path:
    return destination.with_name(f".{destination.name}.replaced")
