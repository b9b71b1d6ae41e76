"""The local disk: reading and writing files that are complete or absent.

Everything is written under a temporary name next to its final one, synced, then renamed, so that a process killed at
any point leaves either the old state or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat as stat_module
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec import source
from recipec.places.remote import Remote
from recipec.source import irregular

SYNCS = 8
"""The number of files to sync concurrently: the disk syncs many in about the time of one."""


@dataclass(frozen=True, slots=True)
class Stat:
    """A quick check of whether a file is the one seen before.

    Attributes:
        mark: size, times and inode, which change whenever the file does.
    """

    bytes: int
    mtime_ns: int
    mark: str


def stat(path: Path) -> Stat:
    """The `Stat` of a file.

    Raises:
        OSError: it does not exist.
    """
    if isinstance(path, Remote):
        one = path.facts()
        return Stat(one.bytes, one.mtime_ns, one.mark)
    found = os.stat(path)
    return Stat(found.st_size, found.st_mtime_ns, mark(path))


def mark(path: Path) -> str:
    """The size, times and inode of a file, which change whenever the file does; of an object what its store says."""
    if isinstance(path, Remote):
        return path.facts().mark
    found = os.stat(path)
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def size(path: Path) -> int | None:
    """The size of a file in bytes, or None if there is no file."""
    return path.stat().st_size if path.is_file() else None


def is_file(path: Path) -> bool:
    return path.is_file()


def is_folder(path: Path) -> bool:
    return path.is_dir()


def exists(path: Path) -> bool:
    """Whether a path exists, including as a dangling symbolic link."""
    return path.is_symlink() or path.exists()


def kind(path: Path) -> str:
    """What a path is that is no regular file, such as "a FIFO" or "a folder"; "" for one that is, or that does not exist."""
    try:
        return irregular(os.stat(path).st_mode)
    except OSError:
        return ""


def is_link(path: Path) -> bool:
    return path.is_symlink()


def real(path: Path) -> Path:
    """The path with symbolic links resolved."""
    return path.resolve()


def links(folder: Path) -> Iterator[Path]:
    """The symbolic links in and below a folder, which are not followed."""
    for at, folders, files_ in os.walk(folder):
        yield from (path for name in (*folders, *files_) if (path := Path(at, name)).is_symlink())


def links_in(folder: Path) -> list[Path]:
    """The symbolic links among the entries of a folder."""
    return [path for path in folder.iterdir() if path.is_symlink()] if folder.is_dir() else []


def names(folder: Path) -> tuple[str, ...]:
    """The names of the entries of a folder, sorted."""
    return tuple(sorted(path.name for path in folder.iterdir()))


def files(folder: Path) -> tuple[Path, ...]:
    """All files in and below a folder, sorted by path."""
    return tuple(path for path in sorted(folder.rglob("*")) if path.is_file())


def entries(folder: Path) -> tuple[Path, ...]:
    """Everything in and below a folder that is not a folder itself, sorted by path; links are not followed."""
    if isinstance(folder, Remote):
        return tuple(sorted(folder.below()))
    return tuple(
        sorted(
            Path(inside, name)
            for inside, folders, names in os.walk(folder)
            for name in (*names, *(one for one in folders if os.path.islink(os.path.join(inside, one))))
        )
    )


def remove_empty_folders(folder: Path) -> None:
    """Removes the folders below a folder that hold no files."""
    for inside, _, _ in os.walk(folder, topdown=False):
        if Path(inside) != folder and not os.listdir(inside):
            os.rmdir(inside)


LARGEST = 512_000_000
"""The most bytes of a file that is read as a whole: the plans and manifests of a million shards have fewer."""

PIECE = 8 << 20
"""The bytes that are copied at once."""

LARGEST_NOTE = 16_000_000
"""The most bytes of a small one: a law, weights, the configuration of a model."""


def read_bytes(path: Path, most: int) -> bytes:
    """As `source.read_bytes`, for a file or an object of a store."""
    if not isinstance(path, Remote):
        return source.read_bytes(path, most)
    if path.facts().bytes > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", path.url)
    with path.open("rb") as file:
        found: bytes = file.read()
    return found


def copy(path: Path, to: Path) -> None:
    """Copies the bytes of a file or an object of a store."""
    with path.open("rb") as read, to.open("wb") as written:
        shutil.copyfileobj(read, written, PIECE)


def read_exact(path: Path, most: int = LARGEST) -> str:
    """As `read_text`, with the ends of lines as they are."""
    return read_bytes(path, most).decode()


def read_text(path: Path, most: int = LARGEST) -> str:
    """The text of a regular file of at most `most` bytes.

    Raises:
        OSError: there is none, it cannot be read, it is too large, or it is something else, such as a FIFO.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_exact(path, most).replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, most: int = LARGEST) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: as in `read_text`.
        ValueError: it is not UTF-8, not JSON, or nested too deeply.
    """
    try:
        return json.loads(read_text(path, most))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def make_folder(path: Path) -> None:
    """Creates a folder and its parents if they do not exist."""
    path.mkdir(parents=True, exist_ok=True)


def is_writable(folder: Path) -> bool:
    """Whether this process may create files in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def free(folder: Path) -> int:
    """The free bytes on the disk of a folder."""
    return shutil.disk_usage(folder).free


def remove(path: Path) -> None:
    """Removes a file if it exists."""
    path.unlink(missing_ok=True)


def put_away(path: Path) -> None:
    """Removes a file if it exists. A folder, which nobody expects there, gets another name: it may be somebody's."""
    if path.is_dir() and not path.is_symlink():
        set_aside(path)
    else:
        remove(path)


def set_aside(path: Path) -> None:
    """Gives a file or folder another name beside it."""
    number = 1
    while exists(aside := path.with_name(f"{path.name}.put-away-{number}")):
        number += 1
    path.rename(aside)


def remove_folder(path: Path) -> None:
    """Removes a folder with its contents, as far as possible."""
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path next to `path`; if the block succeeds, the file there is synced and renamed to `path`."""
    with replacing_all([path]) as temporaries:
        yield temporaries[0]


@contextlib.contextmanager
def replacing_all(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Like `replacing`, for distinct files that are finished together."""
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
    """The temporary path next to `path` to which this process writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def finish(temporary: Path, path: Path) -> None:
    """Syncs a written file to disk and renames it to its final name."""
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flushes a file's bytes, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Writes one of our own files."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_for_user(path: Path, text: str) -> None:
    """Writes a file that a user named: behind a symbolic link, with the permissions that it had, and never instead of a
    device, such as `/dev/stdout`.

    Raises:
        OSError: it cannot be written.
    """
    mode = os.stat(path).st_mode if os.path.exists(path) else None
    if mode is not None and irregular(mode) and not os.path.isdir(path):
        # The path itself: that of a pipe, such as `/dev/stderr`, names no file once it is resolved.
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    with replacing(path.resolve()) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        if mode is not None:
            temporary.chmod(stat_module.S_IMODE(mode))
