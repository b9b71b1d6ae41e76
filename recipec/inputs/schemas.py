"""The columns of shards that recipes were checked with, remembered beside the results of a folder's recipes.

A check then opens no shard that is unchanged, which takes longer than all else that a check does. Nothing is remembered
where no recipe was planned yet: a check alone leaves no files behind.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from recipec.inputs import shards
from recipec.ir import shapes
from recipec.ir.shapes import Columns
from recipec.places import local
from recipec.places.state import Store

NOTE = "schemas"

VERSION = 2
"""Increased when the columns of the same file are found in another way."""

MOST = 1000
"""The most files that are remembered."""


def columns(folder: Path, path: Path) -> Columns:
    """The columns of a file, which a recipe of a folder names.

    Raises:
        Failure: as in `shards.schema`.
    """
    store = Store.beside(folder)
    known = local.is_folder(store.root) and local.is_file(path)
    if not known or shards.is_array(path) or shards.plugin_of(path) is not None:
        return shards.schema(path, folder)
    mark = f"{VERSION} {local.mark(path)}"
    entries = store.note(NOTE)
    entries = entries if isinstance(entries, dict) else {}
    found = _read(entries.get(str(path)), mark)
    if found is None:
        found = shards.schema(path, folder)
        others = [(name, entry) for name, entry in entries.items() if name != str(path)]
        # A folder that cannot be written to, or a name that is no text, is no reason why a recipe is wrong.
        with contextlib.suppress(OSError, ValueError):
            store.keep_note(NOTE, {**dict(others[-MOST:]), str(path): {"mark": mark, "columns": found}})
    return found


def _read(entry: Any, mark: str) -> Columns | None:
    """The columns in an entry, or None if it is of another file, or damaged."""
    if not isinstance(entry, dict) or entry.get("mark") != mark:
        return None
    try:
        found = tuple((str(name), str(shapes.parse(shape))) for name, shape in entry["columns"])
        return found if [list(pair) for pair in found] == entry["columns"] else None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
