"""Opens a recipe's state folder, engine and runs for planning, applying and measuring."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import duckdb

from recipec import planning, spec
from recipec.database import confinement, session
from recipec.database.connection import Settings, connect
from recipec.database.disk import check_memory, disk_errors
from recipec.diagnostics import Diagnostic, Failure
from recipec.execution.pool import Pool
from recipec.execution.run import Run
from recipec.execution.tasks import Runner, Workplace
from recipec.inputs import attributes, catalog, repair, tokens
from recipec.inputs.unchanged import Watch
from recipec.ir import logical, model
from recipec.ir.execution import LOCAL, Shard, SideFile
from recipec.ir.selection import Selection
from recipec.models.job import Device
from recipec.numbers import percent
from recipec.pipeline.compiling import Compiled, exactly
from recipec.places import lease, local, remote, scheme
from recipec.places.state import STATE, Store
from recipec.planning import cautions, fingerprints
from recipec.planning.costs import Setting
from recipec.progress import Progress
from recipec.scoring import by_model

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def settings(path: Path, *, memory: str | None = None, threads: int | None = None) -> Settings:
    """Database limits for a recipe or plan file; spilled data goes to the state folder."""
    folder = path.parent.resolve()
    return Settings(memory=memory or "4GB", threads=threads, temp=folder / STATE / "tmp")


@dataclass(frozen=True, slots=True)
class Place:
    """Where recipes run: a locked state folder, an engine, and the process that runs models."""

    connection: DuckDBPyConnection
    scorer: by_model.Scorer
    engine: str
    runner: Runner
    shards: tuple[Shard, ...]
    attributes: tuple[SideFile, ...]
    folder: Path
    store: Store
    progress: Progress
    watch: Watch

    @property
    def setting(self) -> Setting:
        """What the times of steps depend on besides the steps."""
        return Setting(session.threads(self.connection), self.engine, self.scorer.device)

    def run(self, recipe: model.Recipe, *, now: bool = False) -> Run:
        """Starts a run of the steps of a recipe.

        Args:
            now: whether mixers may measure what has not been measured yet.
        """
        ops = planning.optimise(planning.lower(recipe))
        shards, files = fingerprints.joined(ops, fingerprints.placed(ops, self.shards), self.attributes)
        place = replace(self, shards=shards, attributes=files)
        return place.run_of(recipe, ops, fingerprints.step_ids(ops, place.shards, self.folder), now=now)

    def run_of(self, recipe: model.Recipe, ops: logical.LogicalPlan, ids: tuple[str, ...], *, now: bool) -> Run:
        """Starts a run of operations with their step identities."""
        pool = Pool(
            connection=self.connection,
            recipe=recipe,
            plan=ops,
            ids=ids,
            reads=fingerprints.reads(ops, self.shards, self.folder),
            shards=self.shards,
            folder=self.folder,
            store=self.store,
            scorer=self.scorer,
            attributes=self.attributes,
            watch=self.watch,
            progress=self.progress,
        )
        return Run(pool, self.runner, now=now)


@contextlib.contextmanager
def opened(
    compiled: Compiled,
    limits: Settings,
    device: Device,
    progress: Progress,
    engine: str | None = None,
    written: Sequence[Path] = (),
) -> Iterator[tuple[Place, Compiled]]:
    """Yields the place of a recipe, with its shards indexed, and the recipe as compiled with all of their columns.

    Args:
        written: the folders that are written besides the state and that of the recipe's output.
    """
    check_installed(compiled.recipe, engine)
    store = Store.beside(Path(compiled.recipe.folder))
    with (
        disk_errors(store.root),
        lease.lock(store.root),
        indexed(compiled, limits, device, progress, engine, written) as (place, exact),
    ):
        yield place, exact


def check_installed(recipe: model.Recipe, engine: str | None = None) -> None:
    """Raises Failure if a model, a tokenizer or the engine of a recipe is not on this machine."""
    folder = Path(recipe.folder)
    by_model.check(recipe.scores, folder)
    for source in recipe.sources:
        tokens.check(source, folder)
    spec.find("engines", engine or LOCAL)


@contextlib.contextmanager
def indexed(
    compiled: Compiled,
    limits: Settings,
    device: Device,
    progress: Progress,
    engine: str | None = None,
    written: Sequence[Path] = (),
) -> Iterator[tuple[Place, Compiled]]:
    """As `opened`, in a state folder whose lock this process holds."""
    recipe = compiled.recipe
    folder = Path(recipe.folder)
    store = Store.beside(folder, recipe.path)
    shards = catalog.refresh(recipe.sources, folder, store.root, progress, compiled.files.found)
    files = catalog.side_files(recipe.sources, folder, store.root, progress)
    attributes.check(recipe.sources, shards, files)
    compiled = exactly(compiled, (*shards, *files))
    output = "" if recipe.output is None else recipe.output.path
    places = [] if not output or scheme.of(output) else [folder / PurePath(output).parent]
    with at_work(shards, files, folder, store, limits, device, progress, engine, (*places, *written)) as place:
        yield place, compiled


@contextlib.contextmanager
def at_work(
    shards: tuple[Shard, ...],
    files: tuple[SideFile, ...],
    folder: Path,
    store: Store,
    limits: Settings,
    device: Device,
    progress: Progress,
    engine: str | None,
    written: Sequence[Path] = (),
    watch: Watch | None = None,
) -> Iterator[Place]:
    """Yields the place of known shards and files with attributes, in a locked state folder.

    Args:
        written: the folders that are written besides the state; queries reach these, the recipe's folder and the files.
        watch: the same files, where they were looked at before.
    """
    threads = limits.threads or os.cpu_count() or 1
    engine = engine or LOCAL
    read = [remote.at(one.path, folder) for one in (*shards, *files)]
    with (
        _connected(limits, (folder, *confinement.folders_of(read), *_state(store), *written)) as connection,
        by_model.Scorer(connection, store.root, folder, device, limits.threads) as scorer,
        spec.find("engines", engine).open(Workplace(connection, store.root, folder, threads)) as runner,
    ):
        watch = watch or Watch.of((*shards, *files), folder)
        yield Place(connection, scorer, engine, runner, shards, files, folder, store, progress, watch)


def _state(store: Store) -> list[Path]:
    """The state folder, and what a user has laid elsewhere by symbolic links in it."""
    return [store.root, *local.links_in(store.root)]


def _connected(limits: Settings, folders: Sequence[Path]) -> DuckDBPyConnection:
    connection = connect(limits, folders=folders)
    check_memory(session.memory_limit(connection))
    return connection


@contextlib.contextmanager
def repairing(folder: Path) -> Iterator[None]:
    """Repairs a shard with strings that are not UTF-8, and fails, so that everything begins anew with what it became.

    Raises:
        NotUtf8: the shard is repaired; Failure: it cannot be.
    """
    try:
        yield
    except (repair.NotUtf8, duckdb.InvalidInputException) as error:
        found = error if isinstance(error, repair.NotUtf8) else repair.not_utf8(error)
        if found is None:
            raise
        repair.repair(found.path, folder)
        raise found from None


def check_unreadable(pool: Pool, selection: Selection) -> None:
    """Raises Failure if more rows are unreadable than the recipe allows, with an example of each reason."""
    recipe = pool.recipe
    total = sum(reason.documents for reason in selection.reasons if reason.reason == "unreadable")
    if total > recipe.allow_bad * selection.candidates:
        of_rows, _, why = cautions.unreadable(selection).partition(": ")
        message = f"{of_rows} are unreadable, more than the {percent(recipe.allow_bad)} that the recipe allows: {why}"
        helps = (*_examples(pool), f"fix the shards, or `allow bad {_enough(total / selection.candidates)}`")
        raise Failure(Diagnostic("R0322", message, helps=helps))


MOST_EXAMPLES = 3
"""The most unreadable rows of a source that an error names."""


def _examples(pool: Pool) -> Iterator[str]:
    """The first unreadable row of each of some reasons: its shard and row, the reason and the value."""
    for position, op in enumerate(pool.plan.ops):
        if isinstance(op, logical.Read):
            found = pool.connection.execute(
                f"SELECT shard, row, bad, evidence FROM {pool.after(position, pool.shards_of(position))} "
                "WHERE bad IS NOT NULL QUALIFY row_number() OVER (PARTITION BY bad ORDER BY shard, row) = 1 "
                f"ORDER BY shard, row LIMIT {MOST_EXAMPLES}"
            ).fetchall()
            for shard, row, bad, value in found:
                yield f"{shard}, row {row}: {bad}" + (f": {value}" if value else "")


def _enough(share: float) -> str:
    """A percentage of at least `share`, rounded up to two digits."""
    rounded = float(f"{share * 1.05:.2g}")
    return percent(min(1.0, rounded))
