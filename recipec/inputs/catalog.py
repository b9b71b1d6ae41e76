"""The index: a DuckDB catalog of the shards under the state folder, brought up to date by reading only what changed.

A shard is known by the sha256 of its bytes. Size, times and inode tell quickly that a file is the one that was hashed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from recipec.database.connection import connect
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import shards as files
from recipec.ir import model
from recipec.ir.execution import Shard
from recipec.places import digests
from recipec.progress import Progress, silent

VERSION = 2

TABLES = f"""
    CREATE TABLE IF NOT EXISTS shards (path VARCHAR PRIMARY KEY, mark VARCHAR, sha256 VARCHAR, rows BIGINT, columns VARCHAR);
    CREATE TABLE IF NOT EXISTS totals (step VARCHAR, sha256 VARCHAR, domain VARCHAR, documents BIGINT, tokens BIGINT);
    CREATE TABLE IF NOT EXISTS version AS SELECT {VERSION} AS number;
"""


def refresh(
    sources: Sequence[model.Source], folder: Path, state: Path, progress: Progress = silent
) -> tuple[Shard, ...]:
    """The shards of all sources, sorted by source and path. Only new and changed files are opened.

    Raises:
        Failure: a source without shards, a shard that cannot be read, or columns that differ between shards.
    """
    catalog = open_catalog(state)
    try:
        known = {row[0]: row[1:] for row in catalog.execute("SELECT * FROM shards").fetchall()}
        result: list[Shard] = []
        for source in sorted(sources, key=lambda source: source.name):
            paths = files.find(source.shards, folder)
            if not paths:
                names = ", ".join(f"`{glob}`" for glob in source.shards)
                raise Failure(Diagnostic("R0301", f"no file matches {names}", source.origin.span, "no shards"))
            found = []
            for number, path in enumerate(paths):
                found.append(_shard(catalog, known, source, path, folder))
                progress(f"index {source.name}", number + 1, len(paths), "shards")
            _check_columns(source, found)
            result += found
        return tuple(result)
    finally:
        catalog.close()


def open_catalog(state: Path) -> duckdb.DuckDBPyConnection:
    """The catalog of a state folder; one that is damaged or of another version is made anew."""
    path = state / "index.duckdb"
    state.mkdir(parents=True, exist_ok=True)
    for attempt in range(2):
        try:
            catalog = connect(database=path)
            catalog.execute(TABLES)
            if catalog.execute("SELECT number FROM version").fetchall() == [(VERSION,)]:
                return catalog
            catalog.close()
        except duckdb.Error:
            if attempt:
                raise
        for leftover in (path, path.with_name(path.name + ".wal")):
            leftover.unlink(missing_ok=True)
    raise AssertionError("a catalog made anew has the version it was made with")


def mark(path: Path) -> str:
    """What changes when a file does: size, times, inode."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def _shard(
    catalog: duckdb.DuckDBPyConnection, known: dict[str, Any], source: model.Source, path: Path, folder: Path
) -> Shard:
    name = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    seen = mark(path)
    entry = known.get(str(path))
    if entry is None or entry[0] != seen:
        columns = files.schema(path)
        entry = (seen, digests.sha256_file(path), files.rows(path), json.dumps(columns))
        if mark(path) != seen:
            raise Failure(Diagnostic("R0304", "the shard changed while it was read", place=str(path)))
        catalog.execute("INSERT OR REPLACE INTO shards VALUES ($1, $2, $3, $4, $5)", [str(path), *entry])
        known[str(path)] = entry
    own = tuple((column, type_) for column, type_ in json.loads(entry[3]))
    return Shard(
        source=source.name,
        path=name,
        sha256=entry[1],
        bytes=int(seen.split()[0]),
        mtime_ns=int(seen.split()[1]),
        rows=entry[2],
        # JSON lines are read with the types that the recipe was checked with, whatever this file's lines suggest.
        schema_=source.schema_ if files.is_json(path) else own,
    )


def _check_columns(source: model.Source, found: Sequence[Shard]) -> None:
    """Every shard must have the columns that the recipe was checked with, with types that mean the same."""
    for shard in found:
        own = dict(shard.schema_)
        for name, type_ in source.schema_:
            if name not in own:
                message = f"the shards of source `{source.name}` differ: one has no column `{name}`"
            elif own[name] != type_ and {own[name], type_} != {"integer", "float"}:
                message = (
                    f"the shards of source `{source.name}` differ: `{name}` is {own[name]} in one, {type_} in another"
                )
            else:
                continue
            place = f"{shard.path}, unlike {found[0].path}"
            raise Failure(Diagnostic("R0306", message, source.origin.span, place=place))


def stale(shards: Sequence[Shard], folder: Path) -> tuple[str, ...]:
    """What is no longer as it was planned: words for each shard that is gone or has other bytes."""
    result = []
    for shard in shards:
        path = files.path(shard, folder)
        try:
            stat = path.stat()
        except OSError:
            result.append(f"the shard `{shard.path}` is gone")
            continue
        same = stat.st_size == shard.bytes and stat.st_mtime_ns == shard.mtime_ns
        if not same and (stat.st_size != shard.bytes or digests.sha256_file(path) != shard.sha256):
            result.append(f"the shard `{shard.path}` has other bytes")
    return tuple(result)


def check_duplicates(
    connection: duckdb.DuckDBPyConnection, source: model.Source, shards: Sequence[Shard], results: Sequence[Path]
) -> None:
    """Raises Failure when an id stands twice among the readable rows of a source, naming both places of some.

    Args:
        results: the results of `Read`, in the order of `shards`.
    """
    if not shards:
        return
    names = [str(path) for path in results]
    repeated = connection.execute(
        """
        SELECT hash(doc_id) FROM read_parquet($1, hive_partitioning = false) WHERE bad IS NULL
        GROUP BY ALL HAVING count(*) > 1 LIMIT 1000
        """,
        [names],
    ).fetchall()
    if not repeated:
        return
    rows = connection.execute(
        """
        SELECT doc_id, list([file_index :: BIGINT, row] ORDER BY file_index, row)
        FROM read_parquet($1, hive_partitioning = false)
        WHERE bad IS NULL AND list_contains($2 :: UBIGINT[], hash(doc_id))
        GROUP BY doc_id HAVING count(*) > 1 ORDER BY doc_id LIMIT 5
        """,
        [names, [row[0] for row in repeated]],
    ).fetchall()
    if rows:
        raise Failure(*(_duplicate(source, shards, *row) for row in rows))


def _duplicate(source: model.Source, shards: Sequence[Shard], doc_id: str, places: list[list[int]]) -> Diagnostic:
    first, second = (f"{shards[file].path}, row {row}" for file, row in places[:2])
    more = f" and {len(places) - 2} more times" if len(places) > 2 else ""
    return Diagnostic(
        "R0307",
        f"the id `{doc_id}` of source `{source.name}` stands twice",
        source.origin.span,
        place=f"{first} and {second}{more}",
        helps=("ids must be unique within a source: bind `id` to another column, or drop a shard",),
    )


def domains(state: Path, step: str, shards: Sequence[Shard], results: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """Documents and tokens of each domain over some shards; the totals of a shard are made once and kept.

    Args:
        step: the identity of the `Read` whose results these are.
        results: in the order of `shards`.
    """
    catalog = open_catalog(state)
    try:
        kept = catalog.execute("SELECT DISTINCT sha256 FROM totals WHERE step = $1", [step]).fetchall()
        known = {row[0] for row in kept}
        new = {s.sha256: str(path) for s, path in zip(shards, results, strict=True) if s.sha256 not in known}
        if new:
            catalog.execute(
                """
                INSERT INTO totals SELECT $1, ($2)[file_index :: BIGINT + 1], domain, count(*), CAST(sum(tokens) AS BIGINT)
                FROM read_parquet($3, hive_partitioning = false) WHERE bad IS NULL GROUP BY ALL
                """,
                [step, list(new), list(new.values())],
            )
        rows = catalog.execute(
            """
            SELECT domain, sum(documents) :: BIGINT, sum(tokens) :: BIGINT FROM totals
            WHERE step = $1 AND list_contains($2, sha256) GROUP BY domain
            """,
            [step, [shard.sha256 for shard in shards]],
        ).fetchall()
    finally:
        catalog.close()
    return {row[0]: (row[1], row[2]) for row in rows}
