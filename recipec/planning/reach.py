"""The places to which a plan file leads: all that applying it would read or write.

A plan file may come from a stranger. It may use what lies in its own folder; every other place, however it is led
there (an absolute path, `..`, a symbolic link, another `folder`), must be allowed by whoever applies it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from recipec import spec
from recipec.database import confinement
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import shards
from recipec.ir import model
from recipec.ir.execution import ExecutionPlan
from recipec.models import cache
from recipec.places import globs, local, remote, scheme
from recipec.places.state import STATE
from recipec.source import resolve_path

SHOWN = 3
"""The most places that one message names for the same use."""


@dataclass(frozen=True, slots=True)
class Use:
    """A place that a plan would use: the path as it is led to, and what is done there."""

    does: str
    path: Path


class Allowed:
    """The folders that a plan may use, as they are without symbolic links."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._roots = tuple({str(local.real(folder)) for folder in folders})
        self._known: dict[str, str] = {}

    def real(self, path: Path) -> str:
        """A path without symbolic links. Each folder is resolved once: a plan may have many thousands of shards."""
        if isinstance(path, remote.Remote):
            return path.url
        head, tail = os.path.split(path)
        if tail in ("", ".", "..") or local.is_link(path):
            return str(local.real(path))
        if head not in self._known:
            self._known[head] = str(local.real(Path(head)))
        return os.path.join(self._known[head], tail)

    def holds(self, path: Path) -> bool:
        # A client may resolve the dots, which no store does.
        if isinstance(path, remote.Remote) and ".." in unquote(path.url).split("/"):
            return False
        real = self.real(path)
        return any(real == root or real.startswith(root.rstrip("/") + "/") for root in self._roots)


def check(plan: ExecutionPlan, file: Path, allowed: Sequence[Path]) -> None:
    """Raises Failure if applying a plan would use a place outside of the plan file's folder that is not allowed.

    Args:
        allowed: the places of `--allow`.
    """
    try:
        _check(plan, file, allowed)
    except OSError as error:
        message = f"a place to which the plan leads cannot be looked at: {error.strerror}"
        raise Failure(Diagnostic("R0706", message, place=str(error.filename or file))) from None


def _check(plan: ExecutionPlan, file: Path, allowed: Sequence[Path]) -> None:
    rooms = Allowed((local.real(file).parent, *allowed))
    # Nothing is looked at in a place that is not allowed, so that one kind of place is judged before the next is found.
    for uses in (_folder(plan), _named(plan), _found(plan), _state(plan), _written(plan)):
        outside: dict[str, list[str]] = {}
        for use in uses:
            if not rooms.holds(use.path):
                places = outside.setdefault(use.does, [])
                real = rooms.real(use.path)
                if real not in places and len(places) < SHOWN:
                    places.append(real)
        if outside:
            raise Failure(*(_refused(does, place, file) for does, places in outside.items() for place in places))


def _refused(does: str, place: str, file: Path) -> Diagnostic:
    message = f"the plan {does}, outside the plan file's folder"
    words = allowing(place, is_folder=does.startswith("writes"))
    helps = (f"if you trust this plan file: {words}", "or plan the recipe yourself")
    return Diagnostic("R0713", message, place=place, helps=helps)


def allowing(place: str, *, is_folder: bool = False) -> str:
    """The words that allow a place: a folder itself, or that of a file."""
    path = remote.named(place)
    parent = place if is_folder or confinement.start(path) == path else os.path.dirname(place)
    return f"`--allow {shlex.quote(parent)}`"


def _folder(plan: ExecutionPlan) -> Iterator[Use]:
    yield Use("has its recipe's folder and its state elsewhere", Path(plan.folder))


def _named(plan: ExecutionPlan) -> Iterator[Use]:
    """Where the search for files begins, models, tokenizers and the place of the dataset: paths as the recipe has them."""
    folder, recipe = Path(plan.folder), plan.recipe
    if recipe.output is not None:
        place = remote.at(recipe.output.path, folder)
        is_url = isinstance(place, remote.Remote)
        yield Use("writes its dataset elsewhere", place if is_url else Path(os.path.normpath(place)))
    for does, pattern in _globs(recipe):
        for head in globs.heads(pattern, folder):
            yield Use(does, head)
    for source in recipe.sources:
        if source.tokens.tokenizer:
            yield from model_files(source.tokens.tokenizer, folder)
    for value in models(recipe):
        yield from model_files(value, folder)


def _globs(recipe: model.Recipe) -> Iterator[tuple[str, str]]:
    for source in recipe.sources:
        yield from (("reads shards elsewhere", one) for one in source.shards)
        yield from (("reads attributes elsewhere", one) for beside in source.attributes for one in beside.files)
    for target in recipe.targets:
        yield from (("reads examples elsewhere", one) for one in target.examples)


def models(recipe: model.Recipe) -> Iterator[str]:
    """The models that criteria and mixers name."""
    for call in recipe.scores:
        yield from _places("criteria", call.function, call.params)
    for mixture in (recipe.mixture, *(phase.mixture for phase in (*recipe.phases, *recipe.before))):
        if isinstance(mixture, model.Computed):
            yield from _places("mixers", mixture.mixer, mixture.params)


def _places(kind: spec.Kind, word: str, params: dict[str, Any]) -> Iterator[str]:
    """The values of the parameters of a word that are paths, or names that may be paths; defaults included."""
    for name, field in spec.find(kind, word).params.model_fields.items():
        extra = field.json_schema_extra
        value = params.get(name, field.default)
        if isinstance(extra, dict) and extra.get("place") and isinstance(value, str):
            yield value


def model_files(name: str, folder: Path) -> Iterator[Use]:
    """The folder or file of a model, unless it is one that the user has installed, and the files in it."""
    path = resolve_path(name, folder)
    if cache.installed(name) is not None and not local.exists(path):
        return
    yield Use("reads a model elsewhere", path)
    if local.is_folder(path):
        yield from (Use("reads a model elsewhere", path / one) for one in local.names(path))


def _found(plan: ExecutionPlan) -> Iterator[Use]:
    """The files that the recipe's globs find, and those that the plan says they do."""
    folder, recipe = Path(plan.folder), plan.recipe
    for shard in plan.shards:
        yield Use("reads a shard elsewhere", remote.at(shard.path, folder))
    for file in plan.attributes:
        yield Use("reads attributes elsewhere", remote.at(file.path, folder))
    for source in recipe.sources:
        for one in source.attributes:
            yield from (Use("reads attributes elsewhere", path) for path in shards.find(one.files, folder))
    for target in recipe.targets:
        yield from (Use("reads an example elsewhere", path) for path in shards.find_examples(target, folder))


def _state(plan: ExecutionPlan) -> Iterator[Use]:
    """The state folder, with the symbolic links in it: results would be read and written behind them."""
    state = Path(plan.folder) / STATE
    yield Use("keeps its state elsewhere", state)
    yield from (Use("keeps its state elsewhere", link) for link in local.links(state))


def _written(plan: ExecutionPlan) -> Iterator[Use]:
    """The symbolic links where the dataset is built, beside its place, and in the dataset that stands there."""
    if plan.recipe.output is None or scheme.of(plan.recipe.output.path):
        return
    destination = Path(os.path.normpath(Path(plan.folder) / plan.recipe.output.path))
    for name in local.names(destination.parent) if local.is_folder(destination.parent) else ():
        if name == destination.name or name.startswith(f".{destination.name}."):
            path = destination.parent / name
            yield from (Use("writes its dataset elsewhere", link) for link in (path, *local.links(path)))
