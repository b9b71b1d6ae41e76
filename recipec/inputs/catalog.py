"""The index: a DuckDB catalog of the shards in the state folder, updated by reading only what changed.

A shard is identified by the sha256 of its bytes. Size, times and inode are a quick check that a file is the hashed one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from recipec import spec
from recipec.database.connection import connect
from recipec.database.disk import limit_reached
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import footers, repair, threads
from recipec.inputs import shards as files
from recipec.ir import model, shapes
from recipec.ir.execution import InputFile, Shard, SideFile
from recipec.places import digests, local, remote, sealed
from recipec.progress import Progress, note, silent

INDEX = "index.duckdb"

VERSION = 3

BATCH_FILES = 512
BATCH_BYTES = 2 << 30
"""The most new files, and the approximate most bytes of them, that are indexed between two commits."""

THREADS = min(8, os.cpu_count() or 1)
"""The number of files hashed concurrently."""

UNNAMEABLE = frozenset("?\\")
"""Characters that mean something else to DuckDB in the path of a database: parameters of a URL, a folder of Windows."""

TABLES = f"""
    CREATE TABLE IF NOT EXISTS shards (
        path VARCHAR PRIMARY KEY, mark VARCHAR, sha256 VARCHAR, rows BIGINT, unreadable BIGINT, columns VARCHAR, kinds VARCHAR
    );
    CREATE TABLE IF NOT EXISTS version AS SELECT {VERSION} AS number;
"""


def refresh(
    sources: Sequence[model.Source],
    folder: Path,
    state: Path,
    progress: Progress = silent,
    find: Callable[[Sequence[str], Path], tuple[Path, ...]] = files.find,
) -> tuple[Shard, ...]:
    """The shards of all sources, sorted by source and path. Only new and changed files are opened.

    Args:
        find: gives the files of globs, where they may be known already.

    Raises:
        Failure: a source without shards, or a shard that cannot be read.
    """
    with _opened(state) as (catalog, known):
        result: list[Shard] = []
        for source in sorted(sources, key=lambda source: source.name):
            paths = find(source.shards, folder)
            if not paths:
                names = ", ".join(f"`{glob}`" for glob in source.shards)
                helps = files.none_found(source.shards, folder)
                raise Failure(
                    Diagnostic("R0301", f"no file matches {names}", source.origin.span, "no shards", (), helps)
                )
            _index(catalog, known, paths, source.name, source.plugin, folder, progress)
            _check_formats(source, paths)
            result += [Shard(source=source.name, **facts) for facts in _facts(known, paths, folder)]
        return tuple(result)


def side_files(
    sources: Sequence[model.Source],
    folder: Path,
    state: Path,
    progress: Progress = silent,
    find: Callable[[Sequence[str], Path], tuple[Path, ...]] = files.find,
) -> tuple[SideFile, ...]:
    """The files with attributes of all sources, sorted by source, position of the attributes, and path; `find` as in
    `refresh`.

    Raises:
        Failure: attributes without files, or a file that cannot be read.
    """
    if not any(source.attributes for source in sources):
        return ()
    with _opened(state) as (catalog, known):
        result: list[SideFile] = []
        for source in sorted(sources, key=lambda source: source.name):
            for number, one in enumerate(source.attributes):
                paths = find(one.files, folder)
                _index(catalog, known, paths, f"attributes of {source.name}", None, folder, progress)
                facts = _facts(known, paths, folder)
                result += [SideFile(source=source.name, number=number, **some) for some in facts]
        return tuple(result)


def kinds(shards: Sequence[Shard], folder: Path, state: Path) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """For each shard's path in the index, by reference, how many rows have a value of each kind; none for formats that
    state types."""
    with _opened(state) as (_, known):
        wanted = {str(files.path(shard, folder)): shard.path for shard in shards}
        return {wanted[path]: json.loads(entry.kinds) for path, entry in known.items() if path in wanted}


@contextlib.contextmanager
def _opened(state: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, Entry]]]:
    """The catalog of a state folder with all that it knows; one that is damaged or has another version is created anew.

    Raises:
        Damaged: it turns out to be damaged while it is changed.
    """
    catalog, known = open_catalog(state)
    try:
        yield catalog, known
    except _Unchangeable as error:
        _give_up(catalog, state, error.cause)
        raise sealed.Damaged([state / INDEX]) from None
    finally:
        catalog.close()


def open_catalog(state: Path) -> tuple[duckdb.DuckDBPyConnection, dict[str, Entry]]:
    """A connection to the catalog, and all entries of it by path: DuckDB notices damage of what it reads.

    Where DuckDB cannot name the file, it is in memory, and shards are indexed each time.
    """
    path = state / INDEX
    local.make_folder(state)
    if UNNAMEABLE & set(str(local.real(path))):
        return _empty(None), {}
    catalog: duckdb.DuckDBPyConnection | None = None
    try:
        catalog = connect(database=path, folders=[state])
        catalog.execute(TABLES)
        if catalog.execute("SELECT number FROM version").fetchall() == [(VERSION,)]:
            rows = catalog.execute("SELECT * FROM shards").fetchall()
            return catalog, {row[0]: Entry(*row[1:]) for row in rows}
        catalog.close()
        _remove(state)
    except duckdb.InterruptException:
        raise
    except (duckdb.Error, TypeError) as error:
        _give_up(catalog, state, error)
    return _empty(path), {}


def _empty(path: Path | None) -> duckdb.DuckDBPyConnection:
    catalog = connect(database=path, folders=[] if path is None else [path.parent])
    catalog.execute(TABLES)
    return catalog


class _Unchangeable(Exception):
    """Nothing can be written to the catalog."""

    def __init__(self, cause: duckdb.Error) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _give_up(catalog: duckdb.DuckDBPyConnection | None, state: Path, error: Exception) -> None:
    """Removes a damaged catalog, with a note; raises an error that says nothing about it, such as of a full disk."""
    if limit_reached(error, str(state)) is not None:
        raise error
    if catalog is not None:
        catalog.close()
    _remove(state)
    note("the index of the shards is damaged; it is made again")


def _remove(state: Path) -> None:
    for name in (INDEX, f"{INDEX}.wal"):
        local.put_away(state / name)


class Entry(NamedTuple):
    """The indexed facts about a file; `columns` and `kinds` as JSON."""

    mark: str
    sha256: str
    rows: int
    unreadable: int
    columns: str
    kinds: str


def _index(
    catalog: duckdb.DuckDBPyConnection,
    known: dict[str, Entry],
    paths: Sequence[Path],
    name: str,
    plugin: model.Plugin | None,
    folder: Path,
    progress: Progress,
) -> None:
    """Updates the catalog for some files, committing in batches small enough to lose if the process is killed.

    Args:
        name: what the files are; `plugin`: the package of their format.
    """
    new = [
        path for path in paths if (entry := known.get(str(path))) is None or entry.mark != _mark(path, plugin, folder)
    ]
    done = len(paths) - len(new)
    for batch in _batches(new):
        entries: dict[str, Entry] = {}
        seen = [_mark(path, plugin, folder) for path in batch]
        found = footers.read([path for path in batch if files.is_parquet(path) and not _repaired(path, folder)])
        jobs = [(path, plugin, folder, before, found.get(path)) for path, before in zip(batch, seen, strict=True)]
        for path, entry in zip(batch, threads.each(_read, jobs, THREADS), strict=True):
            entries[str(path)] = entry
            done += 1
            progress(f"index {name}", done, len(paths), "shards")
        columns = [list(entries), *map(list, zip(*entries.values(), strict=True))]
        listed = ", ".join(f"unnest(${number})" for number in range(1, len(columns) + 1))
        try:
            catalog.execute(f"INSERT OR REPLACE INTO shards SELECT {listed}", columns)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise _Unchangeable(error) from None
        known.update(entries)
    if not new:
        progress(f"index {name}", done, len(paths), "shards")


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Files in order, in batches small enough to lose their results."""
    batch: list[Path] = []
    size = 0
    for path in paths:
        batch.append(path)
        size += local.stat(path).bytes
        if len(batch) == BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read(job: tuple[Path, model.Plugin | None, Path, str, spec.Structure | None]) -> Entry:
    path, plugin, folder, seen, footer = job
    found = footer if footer is not None else files.structure(path, folder)
    digest = files.digest(path)
    if _mark(path, plugin, folder) != seen:
        raise Failure(Diagnostic("R0304", "the shard changed while it was read", place=str(path)))
    return Entry(seen, digest, found.rows, found.unreadable, json.dumps(found.columns), json.dumps(found.kinds))


def _facts(known: Mapping[str, Entry], paths: Sequence[Path], folder: Path) -> Iterator[dict[str, Any]]:
    """The facts about some files that are indexed, by the names that `InputFile` gives them."""
    inside = str(folder / "x")[:-1]
    columns: dict[str, shapes.Columns] = {}
    for path in paths:
        entry = known[str(path)]
        if entry.columns not in columns:
            columns[entry.columns] = tuple((name, shape) for name, shape in json.loads(entry.columns))
        size, changed, _ = entry.mark.split(maxsplit=2)
        yield {
            "path": str(path).removeprefix(inside),
            "sha256": entry.sha256,
            "bytes": int(size),
            "mtime_ns": int(changed),
            "rows": entry.rows,
            # A file of no rows says nothing about the schema; the width of an array is no schema.
            "schema_": columns[entry.columns] if entry.rows or files.is_array(path) else (),
            "unreadable": entry.unreadable,
            "repaired": _repaired(path, folder),
        }


def _mark(path: Path, plugin: model.Plugin | None, folder: Path) -> str:
    """The mark of a file, with the version of its format's plug-in: another version may read the file differently."""
    mark = f"{local.mark(path)} repaired" if _repaired(path, folder) else local.mark(path)
    return mark if plugin is None else f"{mark} {plugin}"


def _repaired(path: Path, folder: Path) -> bool:
    return path.suffix.lower() == ".parquet" and repair.repaired(path, folder) is not None


def _check_formats(source: model.Source, paths: Sequence[Path]) -> None:
    """Checks that every shard has a built-in format, or one of the package that the recipe was checked with."""
    # Files with the same ending have the same format.
    for path in {path.name.partition(".")[2]: path for path in reversed(paths)}.values():
        plugin = files.plugin_of(path)
        if plugin not in (None, source.plugin):
            message = f"the shard `{path}` of source `{source.name}` has a format of {plugin}, unlike the first"
            helps = ("put it in a separate source",)
            raise Failure(Diagnostic("R0306", message, source.origin.span, helps=helps))


def stale(known: Sequence[InputFile], folder: Path) -> tuple[str, ...]:
    """The differences from the plan: a message for each shard or file with attributes that is gone or has changed."""
    result = []
    for shard in known:
        path = remote.at(shard.path, folder)
        what = "shard" if isinstance(shard, Shard) else "file of attributes"
        try:
            stat = local.stat(path)
        except OSError:
            result.append(f"the {what} `{shard.path}` is gone")
            continue
        if _repaired(path, folder) != shard.repaired:
            result.append(f"the shard `{shard.path}` is read from what it was repaired to")
        if isinstance(path, remote.Remote):
            if (stat.bytes, path.facts().identity) != (shard.bytes, shard.sha256):
                result.append(f"the {what} `{shard.path}` has changed")
            continue
        same = stat.bytes == shard.bytes and stat.mtime_ns == shard.mtime_ns
        if not same and (stat.bytes != shard.bytes or digests.sha256_file(path) != shard.sha256):
            result.append(f"the {what} `{shard.path}` has changed")
    return tuple(result)


def check_duplicates(connection: duckdb.DuckDBPyConnection, source: model.Source, documents: str) -> None:
    """Raises Failure if an id appears twice among the readable rows of a source, naming both locations of some.

    Args:
        documents: a table expression of `doc_id`, `shard`, `row`, `number` and `bad`.
    """
    repeated = connection.execute(
        f"SELECT hash(doc_id) FROM {documents} WHERE bad IS NULL GROUP BY ALL HAVING count(*) > 1 LIMIT 1000"
    ).fetchall()
    if not repeated:
        return
    rows = connection.execute(
        f"""
        SELECT doc_id, list(shard || ', row ' || row ORDER BY number) FROM {documents}
        WHERE bad IS NULL AND list_contains($1 :: UBIGINT[], hash(doc_id))
        GROUP BY doc_id HAVING count(*) > 1 ORDER BY doc_id LIMIT 5
        """,
        [[row[0] for row in repeated]],
    ).fetchall()
    if rows:
        raise Failure(*(_duplicate(source, *row) for row in rows))


def _duplicate(source: model.Source, doc_id: str, places: list[str]) -> Diagnostic:
    first, second = places[:2]
    more = f" and {len(places) - 2} more times" if len(places) > 2 else ""
    return Diagnostic(
        "R0307",
        f"the id `{doc_id}` of source `{source.name}` appears twice",
        source.origin.span,
        place=f"{first} and {second}{more}",
        helps=("ids must be unique within a source: bind `id` to another column, or drop a shard",),
    )
