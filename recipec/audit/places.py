"""The places to which a dataset leads: what explaining and comparing it would read, besides the files in its folder.

A dataset may come from a stranger, and its manifest names folders of whoever reads it. What is outside the dataset's own
folder is read if it is of the project that wrote this dataset here, or if it is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recipec import plugins
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.ir import model
from recipec.ir.execution import Manifest
from recipec.places import globs, local, remote
from recipec.places.state import STATE
from recipec.planning import reach
from recipec.planning.reach import Allowed, Use
from recipec.scoring.by_model import wanted
from recipec.syntax import LARGEST


def check(dataset: Path, files: Iterable[Path], allowed: Sequence[Path]) -> None:
    """Raises Failure if one of a dataset's files is a symbolic link that leads out of its folder to what is not allowed."""
    rooms = Allowed((dataset, *allowed))
    outside = [path for path in files if not rooms.holds(path)]
    if outside:
        place = rooms.real(outside[0])
        helps = (f"if you trust this dataset: {reach.allowing(place)}",)
        message = f"the dataset's `{outside[0].relative_to(dataset)}` lies outside its folder"
        raise Failure(Diagnostic("R0713", message, place=place, helps=helps))


def elsewhere(dataset: Path, manifest: Manifest, allowed: Sequence[Path]) -> tuple[Diagnostic, ...]:
    """Warnings of the places that the neurons of a document would be read from, and are not.

    They are the shards, the examples of targets, models and stored features. Nothing is said of what does not exist.

    Args:
        allowed: the places of `--allow`.
    """
    # Without the packages of their words there are no neurons, wherever the files are.
    calls = [one for one in manifest.recipe.scores if one.plugin is None or not plugins.changes([one.plugin])]
    if not any(wanted(call) for call in calls):
        return ()
    rooms = Allowed((dataset, *_own(dataset, manifest), *allowed))
    found: dict[str, str] = {}
    for use in _uses(manifest):
        if use.does not in found and not rooms.holds(use.path) and local.exists(use.path):
            found[use.does] = rooms.real(use.path)
    return tuple(_left_out(does, place) for does, place in found.items())


def _left_out(does: str, place: str) -> Diagnostic:
    message = f"the dataset {does}, outside its folder: no neurons are shown"
    helps = (f"if you trust this dataset: {reach.allowing(place)}",)
    return Diagnostic("R0713", message, place=place, helps=helps, severity=Severity.WARNING)


def _uses(manifest: Manifest) -> Iterator[Use]:
    """What the neurons of a document are read from, as it is led to."""
    recipe, folder = manifest.recipe, Path(manifest.recipe.folder)
    yield Use("has its recipe's state elsewhere", folder / STATE)
    yield from (Use("has its shards elsewhere", remote.at(shard.path, folder)) for shard in manifest.shards)
    for one in (glob for target in recipe.targets for glob in target.examples):
        yield from (Use("has its examples elsewhere", head) for head in globs.heads(one, folder))
    for name in reach.models(recipe):
        yield from (Use("has a model elsewhere", use.path) for use in reach.model_files(name, folder))


def _own(dataset: Path, manifest: Manifest) -> Iterator[Path]:
    """The folders of the project that wrote a dataset: that of its recipe, if the dataset lies where this recipe writes and
    its state is there, and what the text of the recipe that lies there names."""
    recipe, folder = manifest.recipe, Path(manifest.recipe.folder)
    if recipe.output is None or not local.is_folder(folder / STATE):
        return
    if local.real(remote.at(recipe.output.path, folder)) != local.real(dataset):
        return
    yield folder
    text = _text(folder / Path(recipe.path).name)
    yield from (head for one in _named(recipe) if f'"{one}"' in text for head in globs.heads(one, folder))


def _named(recipe: model.Recipe) -> Iterator[str]:
    """The places that a recipe names, as written."""
    yield from (glob for source in recipe.sources for glob in source.shards)
    yield from (glob for target in recipe.targets for glob in target.examples)
    yield from reach.models(recipe)


def _text(path: Path) -> str:
    try:
        return local.read_text(path, LARGEST)
    except (OSError, ValueError):
        return ""
