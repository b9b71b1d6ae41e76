"""What a state folder holds: results, features, packed shards, measurements, notes and leftovers of killed processes.

Only names that recipec gives are listed, so that nothing else can be removed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from recipec.places.sealed import SUMS

HEX = "[0-9a-f]{32}"

RESULT = re.compile(rf"{HEX}\.parquet|result\.(parquet|json)|[a-z]+(_[0-9]+)?\.bin|{SUMS}")
UNFINISHED = re.compile(r"\..+\.[0-9]+\.tmp|[a-z]+(_[0-9]+)?\.tmp")
SPILLED = re.compile(
    rf"duckdb_temp_.+|(texts|sample|predicted|held|influence)\.parquet|predictor\.npz|{UNFINISHED.pattern}"
)
NOTE = re.compile(r"last_plan-[0-9a-f]{16}\.json")
TRAINED = re.compile(r".+\.(npy|npz|bin|json|parquet|safetensors)|" + SUMS)

KINDS = {
    "steps": ("result", re.compile(HEX), RESULT),
    "features": ("features", re.compile(HEX), re.compile(rf"{HEX}\.parquet|{SUMS}")),
    "proxies": ("proxies", re.compile(HEX), TRAINED),
    "influence": ("influence", re.compile(HEX), TRAINED),
}
"""By folder: what the folders in it are, their names, and those of their files."""

SINGLE = {
    "repacked": ("shard", re.compile(rf"{HEX}\.(parquet|jsonl\.zst|npy)")),
    "measured": ("measurement", re.compile(rf"{HEX}(-labels)?\.json")),
    "tmp": ("leftover", SPILLED),
}
"""By folder: what the files in it are, and their names."""


@dataclass(frozen=True, slots=True)
class Item:
    """Files of a state folder that belong together.

    Attributes:
        name: the path of their folder, or of the only file, relative to the state folder.
        modified: when one of them was last written, in seconds since 1970.
    """

    kind: str
    name: str
    files: tuple[Path, ...]
    bytes: int
    modified: float


def items(root: Path) -> list[Item]:
    """What a state folder holds, by kind and name. The index, the lock and what is known of times are not listed."""
    found = [*_groups(root), *_files(root)]
    return sorted(found, key=lambda one: (one.kind, one.name))


def remove(item: Item, names: Collection[str] | None = None) -> int:
    """Removes the files of an item, or those with some names, and its folder if it is then empty; returns their bytes.

    What says that a result is complete goes first, and checksums last, so that at any moment what is left is what it seems.
    """
    freed = 0
    order = sorted(item.files, key=lambda path: (path.name == SUMS, path.suffix != ".json"))
    for path in order:
        if names is None or path.name in names:
            with contextlib.suppress(FileNotFoundError):
                size = path.lstat().st_size
                path.unlink()
                freed += size
    for folder in sorted({path.parent for path in item.files}, key=lambda one: -len(one.parts)):
        with contextlib.suppress(OSError):
            folder.rmdir()
    return freed


def _groups(root: Path) -> Iterator[Item]:
    for folder, (kind, name, own) in KINDS.items():
        for entry in _entries(root / folder):
            if entry.is_dir(follow_symlinks=False) and name.fullmatch(entry.name):
                files = [path for path in _below(Path(entry.path)) if own.fullmatch(path.name)]
                if files:
                    yield _item(kind, f"{folder}/{entry.name}", files)


def _files(root: Path) -> Iterator[Item]:
    for folder, (kind, name) in SINGLE.items():
        for entry in _entries(root / folder):
            if entry.is_file(follow_symlinks=False) and name.fullmatch(entry.name):
                yield _item(kind, f"{folder}/{entry.name}", [Path(entry.path)])
    for entry in _entries(root):
        if entry.is_file(follow_symlinks=False) and NOTE.fullmatch(entry.name):
            yield _item("note", entry.name, [Path(entry.path)])
    for path in _unfinished(root):
        yield _item("leftover", str(path.relative_to(root)), [path])


def _unfinished(root: Path) -> Iterator[Path]:
    """Unfinished files of dead processes, in folders of ours: who has the lock is the only one that writes."""
    places = [root, *(root / name for name in (*KINDS, "repacked", "measured"))]
    places += [Path(e.path) for name in KINDS for e in _entries(root / name) if KINDS[name][1].fullmatch(e.name)]
    for place in places:
        for entry in _entries(place):
            if UNFINISHED.fullmatch(entry.name):
                # Folders are those of partitioned writes.
                yield from [Path(entry.path)] if entry.is_file(follow_symlinks=False) else _below(Path(entry.path))


def _item(kind: str, name: str, files: list[Path]) -> Item:
    known = [path.lstat() for path in files]
    return Item(kind, name, tuple(files), sum(one.st_size for one in known), max(one.st_mtime for one in known))


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place) / name for name in sorted(names))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


Uses = Mapping[str, frozenset[str] | None]
"""By the name of an item, the names of its files that are used; None for all."""


def unused(item: Item, uses: Uses) -> frozenset[str] | None:
    """The names of an item's files that are not used; None if that is all of them."""
    if item.name not in uses:
        return None
    names = uses[item.name]
    if names is None:
        return frozenset()
    return frozenset(path.name for path in item.files if path.suffix == ".parquet" and path.name not in names)
