"""Publication of a finished folder under its final name."""

from __future__ import annotations

import shutil
from pathlib import Path

from recipec.places.local import sync


def publish_folder(staging: Path, destination: Path) -> None:
    """Renames a finished folder to its final name. An existing folder is moved aside first and removed last, so that at
    any moment the old folder, its replacement, or (between two renames, until `recover_folder`) the one moved aside is
    complete."""
    aside = set_aside(destination)
    if destination.exists():
        destination.rename(aside)
    staging.rename(destination)
    sync(destination.parent)
    if aside.exists():
        shutil.rmtree(aside)


def recover_folder(destination: Path) -> None:
    """Completes a killed `publish_folder`: restores the old folder, or removes it if the new one is in place."""
    aside = set_aside(destination)
    if aside.is_dir() and not destination.exists():
        aside.rename(destination)
    elif aside.is_dir():
        shutil.rmtree(aside)


def set_aside(destination: Path) -> Path:
    return destination.with_name(f".{destination.name}.replaced")
