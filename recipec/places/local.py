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
from dataclasses import dataclass
from pathlib import Path


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
    found: set[str] = set()
    for pattern in globs:
        start = Path(pattern)
        root = Path(start.anchor) if start.is_absolute() else folder
        relative = str(start.relative_to(start.anchor)) if start.is_absolute() else pattern
        found.update(str(root / name) for name in glob.iglob(relative, root_dir=root, recursive=True))
    return tuple(sorted(path for name in found if (path := Path(name)).is_file()))


def stat(path: Path) -> Stat:
    """The identity of a file.

    Raises:
        OSError: it is not there.
    """
    found = path.stat()
    mark = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
    return Stat(found.st_size, found.st_mtime_ns, mark)


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
    make_folder(path.parent)
    temporary = temporary_of(path)
    try:
        yield temporary
        finish(temporary, path)
    finally:
        remove(temporary)


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
