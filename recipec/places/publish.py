"""Publication of a finished folder under its final name, and the removal of folders that are ours.

Where the system can exchange two folders at once (Linux's `renameat2`, macOS's `renamex_np`, on most local file systems),
a complete folder is at the destination at every moment. Elsewhere the old folder is moved aside first; a process that is
killed between these two renames leaves no folder there until `recover` puts the old one back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

from recipec.places.local import sync

MARK = ".recipec"
"""A file in folders that recipec made and may remove; the last thing that is removed of them."""

ASIDE = ".replaced"

AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP = -100, 2, 2

UNABLE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM})
"""What a system or a file system answers that cannot exchange."""


def publish_folder(staging: Path, destination: Path) -> None:
    """Moves a finished folder to its final name, in place of an empty folder or of one that was published before, which is
    removed afterwards.

    Raises:
        OSError: something else is at the destination, or it cannot be written.
    """
    if is_empty(destination) or not os.path.lexists(destination):
        os.rename(staging, destination)
        sync(destination.parent)
        return
    if exchange(staging, destination):
        sync(destination.parent)
        remove_ours(staging)
        return
    aside = set_aside(staging)
    os.rename(destination, aside)
    os.rename(staging, destination)
    sync(destination.parent)
    remove_ours(aside)


def recover(staging: Path, destination: Path) -> None:
    """Completes a `publish_folder` that was killed where the system cannot exchange folders."""
    aside = set_aside(staging)
    if not aside.is_dir():
        return
    if os.path.lexists(destination):
        remove_ours(aside)
    else:
        os.rename(aside, destination)
        sync(destination.parent)


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two folders at once; False, with nothing changed, where that cannot be done.

    Raises:
        OSError: one of them does not exist or cannot be moved.
    """
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if hasattr(library, "renameat2"):
        failed = library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)
    elif hasattr(library, "renamex_np"):
        failed = library.renamex_np(names[0], names[1], RENAME_SWAP)
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in UNABLE:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def mark(folder: Path) -> None:
    """Marks a folder as one that recipec may remove."""
    (folder / MARK).touch()


def is_marked(folder: Path) -> bool:
    return (folder / MARK).is_file()


def remove_ours(folder: Path) -> None:
    """Removes a folder that recipec made, its mark last: what a killed removal leaves is still known as ours."""
    mark(folder)
    for entry in os.scandir(folder):
        if entry.name == MARK:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    os.unlink(folder / MARK)
    os.rmdir(folder)


def is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def set_aside(staging: Path) -> Path:
    """Where a folder is moved that `staging` replaces, where they cannot be exchanged."""
    return staging.with_name(staging.name + ASIDE)
