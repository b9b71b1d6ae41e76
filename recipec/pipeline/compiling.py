"""From a recipe file to the typed recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipec import semantics, syntax
from recipec.database import confinement
from recipec.diagnostics import Diagnostic, Failure, has_errors, place
from recipec.inputs import environment
from recipec.ir import model
from recipec.places import remote

if TYPE_CHECKING:
    from recipec.ir.execution import InputFile


@dataclass(frozen=True, slots=True)
class Compiled:
    """A typed recipe, and what it was compiled from.

    Attributes:
        diagnostics: warnings.
        files: the shards that were looked at, and their columns.
    """

    recipe: model.Recipe
    diagnostics: tuple[Diagnostic, ...]
    path: Path
    overrides: Mapping[str, str]
    files: environment.Files


def compile_recipe(path: Path, overrides: Mapping[str, str]) -> Compiled:
    """Compiles a file to its typed recipe; reads nothing of the shards except the schema of the first of each source.

    If the recipe is wrong by that, all rows of all shards are looked at before it is called so.

    Raises:
        Failure: lists every mistake in the file.
    """
    files = environment.Files()
    try:
        return _compiled(path, overrides, files)
    except Failure:
        if not files.partial:
            raise
    return _compiled(path, overrides, files.whole())


def exactly(compiled: Compiled, found: Sequence[InputFile]) -> Compiled:
    """A recipe compiled with the columns of all shards and files with attributes, which are indexed by now.

    Raises:
        Failure: as in `compile_recipe`.
    """
    folder = Path(compiled.recipe.folder)
    files = compiled.files.whole({remote.at(one.path, folder): one.schema_ for one in found})
    same = all(files.columns(source.shards, folder) == source.schema_ for source in compiled.recipe.sources)
    if same and files.beside() == compiled.files.beside():
        return compiled
    return _compiled(compiled.path, compiled.overrides, files)


def _compiled(path: Path, overrides: Mapping[str, str], files: environment.Files) -> Compiled:
    source = syntax.load(path)
    tree, diagnostics = syntax.parse(source)
    folder = path.parent.resolve()
    confinement.reach([folder])
    resolved = semantics.resolve(tree, path=str(path), folder=folder, overrides=overrides, environment=files)
    if resolved.recipe is None or has_errors(diagnostics):
        raise Failure(*sorted((*diagnostics, *resolved.diagnostics), key=place))
    return Compiled(resolved.recipe, (*diagnostics, *resolved.diagnostics), path, overrides, files)
