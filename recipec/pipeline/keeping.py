"""What the recipes of a folder use of its state, what they do not, and the removal of that."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from recipec import dataset
from recipec.database.disk import disk_errors
from recipec.dataset import publication, unfinished
from recipec.dataset.unfinished import Left
from recipec.diagnostics import Diagnostic, Failure
from recipec.execution.pool import Pool
from recipec.ir import model
from recipec.pipeline import opening
from recipec.pipeline.compiling import compile_recipe
from recipec.pipeline.opening import Place
from recipec.pipeline.uses import used
from recipec.places import inventory, lease, local
from recipec.places.inventory import Item
from recipec.places.remote import Remote
from recipec.places.state import Store
from recipec.planning import phases
from recipec.planning.reasons import LastPlan
from recipec.progress import Progress, silent

MEASURED = frozenset({"proxies", "influence", "measurement"})
"""Kinds that searches, mixers and measurements of any recipe with targets may use."""


@dataclass(slots=True)
class Uses:
    """Which recipes use which items, and which files of them: None for all."""

    by: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, frozenset[str] | None] = field(default_factory=dict)
    places: set[Remote] = field(default_factory=set)  # of datasets in stores

    def add(self, recipe: str, item: str, names: frozenset[str] | None = None) -> None:
        """Adds files of an item."""
        known = self.names.get(item, frozenset())
        self.names[item] = None if names is None or known is None else known | names
        self.by.setdefault(item, set()).add(recipe)

    def add_all(self, recipe: str, pool: Pool) -> None:
        """Adds what the steps of a pool store and read."""
        for item, names in used(pool):
            self.add(recipe, item, names)


@dataclass(frozen=True, slots=True)
class Kept:
    """An item of a state folder.

    Attributes:
        by: the file names of the recipes that use some of it, sorted.
        unused: the names of its files that none uses; None if none uses any of it.
        free: the bytes of the latter.
    """

    item: Item
    by: tuple[str, ...]
    unused: frozenset[str] | None
    free: int


@dataclass(frozen=True, slots=True)
class State:
    """What a state folder holds.

    Attributes:
        broken: by its file name, why a recipe cannot be planned.
        left: what runs that did not end have left where the recipes' datasets are in stores.
    """

    root: Path
    items: tuple[Kept, ...]
    broken: dict[str, str]
    left: tuple[Left, ...] = ()


def state(folder: Path, progress: Progress = silent) -> State:
    """What the state folder of a folder holds, and what of it the folder's recipes use.

    Raises:
        Failure: there is no state folder, or another process holds its lock.
    """
    with _locked(folder) as store:
        return _state(store, folder.resolve(), progress)


def collect(folder: Path, *, dry: bool, force: bool, progress: Progress = silent) -> tuple[State, int]:
    """Removes what neither the recipes of a folder nor their published datasets use; returns it and its bytes.

    Args:
        dry: whether to remove nothing.
        force: whether what a recipe uses that cannot be planned is only what its last plan used.

    Raises:
        Failure: as `state`, or a recipe cannot be planned.
    """
    with _locked(folder) as store:
        found = _state(store, folder.resolve(), progress)
        if found.broken and not force:
            raise Failure(*(_unknown(name, why) for name, why in found.broken.items()))
        free = 0
        for one in found.items:
            if one.unused is None or one.unused:
                free += one.free if dry else inventory.remove(one.item, one.unused)
        for rest in () if dry else found.left:
            unfinished.remove(rest)
        return found, free


def _unknown(name: str, why: str) -> Diagnostic:
    helps = ("correct or remove the recipe", "`--force` keeps only what its last plan used")
    return Diagnostic("R0615", f"what `{name}` uses is not known, as it cannot be planned: {why}", helps=helps)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Store]:
    store = Store.beside(folder.resolve())
    if not local.is_folder(store.root):
        message = "there is no state folder here: no recipe of this folder was planned yet"
        raise Failure(Diagnostic("R0616", message, place=str(store.root)))
    with disk_errors(store.root), lease.lock(store.root):
        yield store


def _state(store: Store, folder: Path, progress: Progress) -> State:
    uses, broken = Uses(), {}
    for path in (folder / name for name in local.names(folder) if name.endswith(".recipe")):
        noted = _remembered(Store.beside(folder, path.name), path.name, uses)
        try:
            _use(uses, path, progress)
        except Failure as failure:
            # One that was never planned, such as one that others import, has stored nothing.
            if noted:
                broken[path.name] = failure.diagnostics[0].message
                _use_kinds(uses, path.name, store, MEASURED | {"shard"})
    items = []
    for item in inventory.items(store.root):
        rest = inventory.unused(item, uses.names)
        lost = [path for path in item.files if rest is None or path.name in rest]
        size = sum(path.lstat().st_size for path in lost)
        items.append(Kept(item, tuple(sorted(uses.by.get(item.name, ()))), rest, size))
    left = tuple(one for place in sorted(uses.places) for one in unfinished.left(place))
    return State(store.root, tuple(items), broken, left)


def _remembered(store: Store, name: str, uses: Uses) -> bool:
    """Adds what the last plans of a recipe used, whatever its parameters were; returns whether there were any."""
    for number in count():
        # Each phase has its own note.
        phase = replace(store, recipe=f"{name} {number}") if number else store
        note = phase.note(phase.last_plan, LastPlan)
        if note is None:
            return number > 0
        uses.add(name, f"{phase.last_plan}.json")
        for item in note.uses:
            uses.add(name, item)
    raise AssertionError("a recipe has finitely many phases")


def _use(uses: Uses, path: Path, progress: Progress) -> None:
    """Adds what a recipe uses, and the datasets that it has published; runs no step of it."""
    compiled = compile_recipe(path, {})
    opening.check_installed(compiled.recipe)
    limits = opening.settings(path)
    with opening.indexed(compiled, limits, "auto", progress, None) as (place, exact):
        recipe = exact.recipe
        parts = [phases.part(recipe, recipe.phases[:n]) for n in range(len(recipe.phases))] or [recipe]
        for part in parts:
            uses.add_all(path.name, place.run(part).pool)
            _published(uses, path.name, place, part)
        if recipe.targets:
            # These depend on more than can be known without running the recipe.
            _use_kinds(uses, path.name, place.store, MEASURED)


def _published(uses: Uses, name: str, place: Place, recipe: model.Recipe) -> None:
    """Adds what the dataset at a recipe's destination was made of, if that is still known."""
    if recipe.output is None:
        return
    destination = dataset.locate(place.folder, recipe.output)
    if isinstance(destination, Remote):
        uses.places.add(destination)
    with contextlib.suppress(Failure, OSError):
        manifest = dataset.read_manifest(publication.current(destination))
        then = replace(place, shards=manifest.shards, attributes=manifest.attributes)
        uses.add_all(name, then.run(manifest.recipe).pool)


def _use_kinds(uses: Uses, name: str, store: Store, kinds: Collection[str]) -> None:
    for item in inventory.items(store.root):
        if item.kind in kinds:
            uses.add(name, item.name)
