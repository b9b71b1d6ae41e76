"""The local disk: what is there, and files that are whole or absent.

Everything is written under a temporary name beside its final one, synced, then renamed, so that a process killed at
any line leaves either the old state or the new one.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SYNCS = 8
"""Files that are synced at once: the disk takes many in about the time of one."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What tells quickly whether a file is the one that was seen.

    Attributes:
        mark: what changes whenever the file does: size, times, inode.
    """

    bytes: int
    mtime_ns: int
    mark: str


def matches(globs: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """The files that globs mean, relative to a folder: each once, sorted by path, no hidden ones."""
    return tuple(Path(name) for name in _matches(globs, folder) if os.path.isfile(name))


def first(globs: Sequence[str], folder: Path) -> Path | None:
    """The first of the files that globs mean, None where there is none."""
    return next((Path(name) for name in _matches(globs, folder) if os.path.isfile(name)), None)


def _matches(globs: Sequence[str], folder: Path) -> list[str]:
    """What globs match, in the order of paths, as text: to make and compare 10,000 paths takes longer than to find them."""
    found: set[str] = set()
    for pattern in globs:
        start = Path(pattern)
        root = Path(start.anchor) if start.is_absolute() else folder
        relative = str(start.relative_to(start.anchor)) if start.is_absolute() else pattern
        heads: dict[str, str] = {}
        for name in glob.iglob(relative, root_dir=root, recursive=True):
            head, tail = os.path.split(name)
            if head not in heads:
                heads[head] = str(root / head / "x")[:-1]
            found.add(heads[head] + tail)
    return sorted(found, key=lambda name: name.split(os.sep))


def stat(path: Path) -> Stat:
    """The identity of a file.

    Raises:
        OSError: it is not there.
    """
    found = os.stat(path)
    return Stat(found.st_size, found.st_mtime_ns, mark(path))


def mark(path: Path) -> str:
    """What changes when a file does: size, times, inode."""
    found = os.stat(path)
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def size(path: Path) -> int | None:
    """The bytes of a file, None where there is no file."""
    return path.stat().st_size if path.is_file() else None


def is_file(path: Path) -> bool:
    return path.is_file()


def is_folder(path: Path) -> bool:
    return path.is_dir()


def exists(path: Path) -> bool:
    """Whether anything stands at a path, a symbolic link that leads nowhere included."""
    return path.is_symlink() or path.exists()


def is_link(path: Path) -> bool:
    return path.is_symlink()


def real(path: Path) -> Path:
    """A path without symbolic links."""
    return path.resolve()


def names(folder: Path) -> tuple[str, ...]:
    """What lies directly in a folder, sorted."""
    return tuple(sorted(path.name for path in folder.iterdir()))


def files(folder: Path) -> tuple[Path, ...]:
    """All files in and below a folder, sorted by path."""
    return tuple(path for path in sorted(folder.rglob("*")) if path.is_file())


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, where they are not there."""
    path.mkdir(parents=True, exist_ok=True)


def is_writable(folder: Path) -> bool:
    """Whether this process may make files in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def free(folder: Path) -> int:
    """Bytes that the disk of a folder has left."""
    return shutil.disk_usage(folder).free


def remove(path: Path) -> None:
    """Removes a file, if it is there."""
    path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Removes a folder with all that is in it, as far as that can be done."""
    shutil.rmtree(path, ignore_errors=True)


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
        make_folder(folder)
    temporaries = [temporary_of(path) for path in paths]
    try:
        yield temporaries
        _sync_all(temporaries)
        for temporary, path in zip(temporaries, paths, strict=True):
            temporary.replace(path)
        for folder in folders:
            sync(folder)
    finally:
        for temporary in temporaries:
            remove(temporary)


def _sync_all(paths: Sequence[Path]) -> None:
    if len(paths) == 1:
        sync(paths[0])
        return
    with ThreadPoolExecutor(SYNCS) as pool:
        for _ in pool.map(sync, paths):
            pass


def temporary_of(path: Path) -> Path:
    """The name beside `path` under which this process writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def finish(temporary: Path, path: Path) -> None:
    """Gives a file that is written its name, once its bytes are on the disk."""
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def remove_temporary(folder: Path) -> None:
    """Removes what killed processes left half-written in the folders of a folder."""
    for path in folder.glob("*/.*.tmp"):
        path.unlink()


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
