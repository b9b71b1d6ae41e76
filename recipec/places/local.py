"""Files of the local disk that are whole or absent.

Everything is written under a temporary name beside its final one, synced, then renamed, so that a process killed at
any line leaves either the old state or the new one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SYNCS = 8
"""Files that are synced at once: the disk takes many in about the time of one."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; when the block ends well, what was written there is synced and renamed to `path`."""
    with replacing_all([path]) as temporaries:
        yield temporaries[0]


@contextlib.contextmanager
def replacing_all(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """As `replacing`, for distinct files that are finished together."""
    folders = {path.parent for path in paths}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    temporaries = [path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in paths]
    try:
        yield temporaries
        _sync_all(temporaries)
        for temporary, path in zip(temporaries, paths, strict=True):
            temporary.replace(path)
        for folder in folders:
            sync(folder)
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def _sync_all(paths: Sequence[Path]) -> None:
    if len(paths) == 1:
        sync(paths[0])
        return
    with ThreadPoolExecutor(SYNCS) as pool:
        for _ in pool.map(sync, paths):
            pass


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
