"""Publication of a finished folder under its final name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from recipec.places.local import sync


def publish_folder(staging: Path, destination: Path) -> None:
    """Renames a finished folder to its final name. An existing folder is moved aside first and removed last, so that at
    any moment the old folder, its replacement, or (between two renames, until `recover_folder`) the one moved aside is
    complete.

    Raises:
        OSError: something else is where the existing folder would be moved (see `in_the_way`).
    """
    aside = set_aside(destination)
    if is_empty(destination):
        destination.rmdir()
    replaced = destination.exists()
    if replaced:
        destination.rename(aside)
    staging.rename(destination)
    sync(destination.parent)
    if replaced:
        shutil.rmtree(aside)


def recover_folder(destination: Path, is_ours: Callable[[Path], bool]) -> None:
    """Completes a killed `publish_folder`: restores the old folder, or removes it if the new one is in place.

    Args:
        is_ours: whether a folder is one that was published; anything else of that name is a user's, and stays.
    """
    aside = set_aside(destination)
    if not aside.is_dir() or not is_ours(aside):
        return
    if destination.exists():
        shutil.rmtree(aside)
    else:
        aside.rename(destination)


def in_the_way(destination: Path) -> Path | None:
    """What a user has, after `recover_folder`, where an existing folder would be moved aside; None if there is nothing."""
    aside = set_aside(destination)
    return aside if aside.exists() and destination.exists() and not is_empty(destination) else None


def is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def set_aside(destination: Path) -> Path:
    return destination.with_name(f".{destination.name}.replaced")
