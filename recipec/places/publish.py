"""Publication of a finished folder under its final name."""

from __future__ import annotations

import shutil
from pathlib import Path

from recipec.places.local import sync


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
