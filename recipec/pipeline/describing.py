"""The structure of a recipe's shards: the fields of every file, and how many rows have which kind of value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recipec.database.disk import disk_errors
from recipec.inputs import catalog, footers, shards
from recipec.ir import shapes
from recipec.ir.execution import Shard
from recipec.pipeline.compiling import compile_recipe, exactly
from recipec.places import lease
from recipec.places.state import Store
from recipec.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class File:
    """One shard.

    Attributes:
        kinds: by reference, how many rows have a value of each kind; "null" counts those with null. Rows that lack the
            field are in none of them.
    """

    path: str
    rows: int
    unreadable: int
    columns: shapes.Columns
    kinds: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Schema:
    """The shards of a source; `columns` are those of all of them together."""

    source: str
    columns: shapes.Columns
    files: tuple[File, ...]


def schemas(path: Path, overrides: Mapping[str, str], progress: Progress = silent) -> tuple[Schema, ...]:
    """The structure of the shards of a recipe's sources, found in all of their rows.

    Raises:
        Failure: the recipe is wrong, or a shard cannot be read.
    """
    compiled = compile_recipe(path, overrides)
    folder = Path(compiled.recipe.folder)
    store = Store.beside(folder)
    with disk_errors(store.root), lease.lock(store.root):
        found = catalog.refresh(compiled.recipe.sources, folder, store.root, progress)
        kinds = catalog.kinds(found, folder, store.root)
    recipe = exactly(compiled, found).recipe
    return tuple(
        Schema(
            source.name,
            source.schema_,
            tuple(_file(shard, folder, kinds[shard.path]) for shard in found if shard.source == source.name),
        )
        for source in recipe.sources
    )


def _file(shard: Shard, folder: Path, kinds: Mapping[str, Mapping[str, int]]) -> File:
    place = shards.path(shard, folder)
    counted = kinds or (_stated(shard, place) if shard.rows and shards.is_parquet(place) else {})
    return File(shard.path, shard.rows, shard.unreadable, shard.schema_, counted)


def _stated(shard: Shard, place: Path) -> Mapping[str, Mapping[str, int]]:
    """The kinds of a Parquet file's columns: their types, with the nulls that the footer counts."""
    nulls = footers.nulls(place)
    result = {}
    for name, text in shard.schema_:
        missing = nulls.get(name, 0)
        shape = shapes.parse(text)
        kind = shapes.language(shape) if shape.word not in ("STRUCT", "LIST", "MAP") else shape.word.lower()
        result[name] = {"null": shard.rows} if shape == shapes.NULL else {kind: shard.rows - missing, "null": missing}
    return result
