"""From a recipe file to the typed recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recipec import semantics, syntax
from recipec.diagnostics import Diagnostic, Failure, has_errors, place
from recipec.inputs import environment
from recipec.ir import model


@dataclass(frozen=True, slots=True)
class Compiled:
    recipe: model.Recipe
    diagnostics: tuple[Diagnostic, ...]  # warnings


def compile_recipe(path: Path, overrides: Mapping[str, str]) -> Compiled:
    """Compiles a file to its typed recipe; reads nothing of the shards except their schemas.

    Raises:
        Failure: lists every mistake in the file.
    """
    source = syntax.load(path)
    tree, diagnostics = syntax.parse(source)
    folder = path.parent.resolve()
    resolved = semantics.resolve(
        tree, path=str(path), folder=folder, overrides=overrides, environment=environment.Files()
    )
    if resolved.recipe is None or has_errors(diagnostics):
        raise Failure(*sorted((*diagnostics, *resolved.diagnostics), key=place))
    return Compiled(resolved.recipe, (*diagnostics, *resolved.diagnostics))
