"""Folders of shards, divided into the sources of a starter recipe: shards with the same columns are one source.

A group is a whole folder wherever that is possible, so that its glob also finds the shards that are added later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import shards
from recipec.ir.shapes import Columns

MOST_SINGLE = 24
"""Up to so many files, each is looked into; of more, one of each kind in each folder."""

MOST_READ = {True: 256, False: 24}
"""The most files whose columns are read, for each folder that is given: of Parquet alone, and of lines, whose first ones
must be read."""

MOST_TRIED = 4
"""The most files of a cell that are read, while those before have no columns."""

ONE_DOCUMENT = ".json"
"""The suffix of shards that count only where there are no others: most such files are one JSON document."""

MAGIC = re.compile(r"[*?\[{}$~]")


@dataclass(frozen=True, slots=True)
class Cell:
    """Files that are alike: one file, or all of one kind in a folder if there are many.

    Attributes:
        parts: the folders from the one that is given to the files; those of partitions as `name=*`.
        suffix: of the files' names, as they have it.
        files: relative to the folder that is given, sorted.
        columns: those of the first file that has any.
    """

    parts: tuple[str, ...]
    suffix: str
    files: tuple[str, ...]
    columns: Columns = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The shards of one source.

    Attributes:
        root: the folder that is given; `parts` lead from it to the folder of the group, `cells` have its files.
        common: how many of the parts all groups of the given folder have in common.
        files: the names of its files, if it is not all files of its folder.
        like: how many other folders have the same columns, where each folder is a source of its own.
        unread: the number of its folders whose columns are taken to be those of a neighbour.
    """

    root: Path
    parts: tuple[str, ...]
    cells: tuple[Cell, ...]
    common: int
    files: tuple[str, ...] = ()
    unread: int = 0
    like: int = 0

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self.root / file for cell in self.cells for file in cell.files)

    @property
    def columns(self) -> Columns:
        return next((cell.columns for cell in self.cells if cell.columns), ())

    @property
    def name(self) -> str:
        """The names of the folders and of the only file that distinguish it, or that of the given folder."""
        parts = [part.replace("=*", "") for part in self.parts[self.common :]]
        if len(self.files) == 1:
            parts.append(Path(self.files[0]).name.removesuffix(self.cells[0].suffix))
        return "_".join(parts) or self.root.resolve().name

    @property
    def place(self) -> str:
        """Its folder or its first file, as people see it."""
        return "/".join([str(self.root), *(self.files[:1] or self.parts)])

    def globs(self, beside: Path) -> list[str]:
        """Globs of its shards, relative to the folder of the recipe."""
        start = os.path.relpath(self.root.resolve(), beside.resolve())
        begun = [] if start == os.curdir else [_escaped(part) for part in start.split(os.sep)]
        if self.files:
            return ["/".join([*begun, *map(_escaped, file.split(os.sep))]) for file in self.files]
        folder = [*begun, *(part if part.endswith("=*") else _escaped(part) for part in self.parts)]
        found = []
        for suffix in dict.fromkeys(cell.suffix for cell in self.cells):
            deep = any(cell.parts != self.parts for cell in self.cells if cell.suffix == suffix)
            found.append("/".join([*folder, *(["**"] if deep else []), f"*{suffix}"]))
        return found


def groups(root: Path, beside: Path, alike: Callable[[Columns], Hashable]) -> list[Group]:
    """The shards below a folder in groups.

    Args:
        beside: the folder of the recipe.
        alike: what the columns of all shards of a group have in common.

    Raises:
        Failure: there are no shards, or one cannot be read.
    """
    cells, unread = _read(_cells(_listed(root)), root, beside)
    keys = {cell: alike(cell.columns) for cell in cells}
    common = _common(cells)
    return [replace(group, common=common, unread=unread) for group in _divided(root, common, cells, keys)]


def below(group: Group) -> list[Group]:
    """A group of whole folders as one group for each folder inside it; itself if it has files beside those."""
    depth = len(group.parts)
    if group.files or any(len(cell.parts) <= depth or cell.parts[depth].endswith("=*") for cell in group.cells):
        return [group]
    inside: dict[str, list[Cell]] = {}
    for cell in group.cells:
        inside.setdefault(cell.parts[depth], []).append(cell)
    return [
        replace(group, parts=(*group.parts, name), cells=tuple(cells), like=len(inside) - 1)
        for name, cells in inside.items()
    ]


def _listed(root: Path) -> dict[str, str]:
    """The shards below a folder, relative to it, each with the suffix of its name as it is written there."""
    found: dict[str, str] = {}
    suffixes = sorted((suffix for one in shards.formats() for suffix in one.suffixes), key=len, reverse=True)
    inside = str(root / "x")[:-1]
    for path in shards.find(["**/*"], root):
        name = str(path).removeprefix(inside)
        suffix = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), None)
        if suffix is not None:
            found[name] = name[-len(suffix) :]
    lines = {name: suffix for name, suffix in found.items() if suffix.lower() != ONE_DOCUMENT}
    if not found:
        helps = ("shards are .parquet, or .jsonl, .ndjson and .json, which may end in .gz, .zst, .bz2, .xz or .lz4",)
        raise Failure(Diagnostic("R0711", f"`{root}` holds no shards", helps=helps))
    return lines or found


def _cells(listed: dict[str, str]) -> list[Cell]:
    """Single files; if they are many, all of one kind in a folder together."""
    single = len(listed) <= MOST_SINGLE
    found: dict[tuple[object, ...], list[str]] = {}
    for name, suffix in listed.items():
        found.setdefault((_parts(name), suffix, name if single else ""), []).append(name)
    return [Cell(_parts(files[0]), listed[files[0]], tuple(files)) for files in found.values()]


def _parts(file: str) -> tuple[str, ...]:
    return tuple(f"{_escaped(part.partition('=')[0])}=*" if "=" in part else part for part in file.split(os.sep)[:-1])


def _read(cells: Sequence[Cell], root: Path, beside: Path) -> tuple[list[Cell], int]:
    """Cells with their columns, and for how many those of the one before them are taken."""
    step = -(-len(cells) // MOST_READ[all(shards.is_parquet(root / cell.files[0]) for cell in cells)])
    result: list[Cell] = []
    for number, cell in enumerate(cells):
        columns = result[-1].columns if number % step else _columns(cell, root, beside)
        result.append(replace(cell, columns=columns))
    return result, sum(1 for number in range(len(cells)) if number % step)


def _columns(cell: Cell, root: Path, beside: Path) -> Columns:
    """The columns of the first file that has any: files without rows may say nothing about theirs."""
    for file in cell.files[:MOST_TRIED]:
        if columns := shards.schema(root / file, beside):
            return columns
    return ()


def _common(cells: Sequence[Cell]) -> int:
    """The number of folders that all cells are in, without those of partitions."""
    levels = zip(*(cell.parts for cell in cells), strict=False)
    shared = takewhile(lambda level: len(set(level)) == 1 and not level[0].endswith("=*"), levels)
    return sum(1 for _ in shared)


def _divided(root: Path, depth: int, cells: Sequence[Cell], keys: dict[Cell, Hashable]) -> list[Group]:
    """Groups of the cells below one folder: that folder if all are alike, else by its folders, and its files by kind."""
    parts = cells[0].parts[:depth]
    # Files without rows belong to any group.
    if len({keys[cell] for cell in cells if cell.columns}) <= 1:
        return [Group(root, parts, tuple(cells), depth)]
    inside: dict[str, list[Cell]] = {}
    kinds: dict[Hashable, list[Cell]] = {}
    for cell in cells:
        if len(cell.parts) > depth:
            inside.setdefault(cell.parts[depth], []).append(cell)
        elif cell.columns:
            kinds.setdefault(keys[cell], []).append(cell)
    own = [cell for cell in cells if len(cell.parts) == depth]
    result = [_of_files(root, parts, kind, own) for kind in kinds.values()]
    for each in inside.values():
        result += _divided(root, depth + 1, each, keys)
    return result


def _of_files(root: Path, parts: tuple[str, ...], kind: Sequence[Cell], own: Sequence[Cell]) -> Group:
    """A group of some files of a folder: by their suffixes, if they are several and no others have these, else by name."""
    files = tuple(file for cell in kind for file in cell.files)
    suffixes = {cell.suffix for cell in kind}
    if len(files) > 1 and all(cell in kind for cell in own if cell.suffix in suffixes and cell.columns):
        return Group(root, parts, tuple(cell for cell in own if cell.suffix in suffixes), len(parts))
    return Group(root, parts, tuple(kind), len(parts), files)


def _escaped(part: str) -> str:
    """A name as a glob that matches it alone."""
    return MAGIC.sub(r"[\g<0>]", part)
