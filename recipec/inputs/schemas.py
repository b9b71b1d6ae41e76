"""The columns of shards that recipes were checked with, remembered beside the results of a folder's recipes.

A check then opens no shard that is unchanged, which takes longer than all else that a check does. Nothing is remembered
where no recipe was planned yet: a check alone leaves no files behind.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import RootModel

from recipec.inputs import shards
from recipec.ir import closed, shapes
from recipec.ir.expressions import Frozen
from recipec.ir.shapes import Columns
from recipec.places import local
from recipec.places.state import Store

NOTE = "schemas"

VERSION = 2
"""Increased when the columns of the same file are found in another way."""

MOST = 1000
"""The most files that are remembered."""


class Entry(Frozen):
    """The columns of a file, by name and shape, and the version and the mark that it had."""

    mark: str
    columns: tuple[tuple[str, str], ...]


class Entries(RootModel[dict[closed.Path, Entry]]):
    """The content of the note, by path."""


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
    noted = store.note(NOTE, Entries)
    entries = {} if noted is None else noted.root
    found = _read(entries.get(str(path)), mark)
    if found is None:
        found = shards.schema(path, folder)
        kept = {name: entry for name, entry in list(entries.items())[-MOST:] if name != str(path)}
        value = Entries({**kept, str(path): Entry(mark=mark, columns=found)})
        # A folder that cannot be written to, or a name that is no text, is no reason why a recipe is wrong.
        with contextlib.suppress(OSError, ValueError):
            store.keep_note(NOTE, value.model_dump(mode="json"))
    return found


def _read(entry: Entry | None, mark: str) -> Columns | None:
    """The columns in an entry, or None if it is of another file, or a shape is none that we write."""
    if entry is None or entry.mark != mark:
        return None
    try:
        found = tuple((name, str(shapes.parse(shape))) for name, shape in entry.columns)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
    return found if found == entry.columns else None
