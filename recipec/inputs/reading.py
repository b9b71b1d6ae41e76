"""Op `Read`: id, domain, tokens, readability and facts of every row of a shard.

Where that takes no more than scanning columns, nothing is stored: later steps scan them themselves (`direct`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import duckdb

from recipec.database import session
from recipec.database.connection import another
from recipec.database.sql import column, expression, faults, literal
from recipec.database.values import FAULT
from recipec.inputs import attributes, footers, packing, scans, shards, threads, together, tokens
from recipec.inputs.facts import expressions, needed
from recipec.inputs.kept import SCANNED, TOKENS, UNREAD, Kept, Value, estimated, joined, keeping, store
from recipec.ir import logical, model, paths, shapes
from recipec.ir.execution import Shard
from recipec.places import sealed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 256
"""The most shards that are finished together: syncing each alone takes longer than reading a small one."""

BATCH_ROWS = 200_000
"""The most rows of several shards that are in memory together."""

FEW_ROWS = 10_000
"""The most rows of a shard for which starting a query costs more than reading."""

LARGE = 16 << 20
"""The bytes from which a shard is read alone, if it occupies all threads: their buffers are then in memory only once."""


def read_many(
    connection: DuckDBPyConnection,
    op: logical.Read,
    many: Sequence[Shard],
    folder: Path,
    root: Path,
    destinations: Sequence[Path],
) -> Iterator[int]:
    """Writes the results of a `Read` without clauses (see `logical.Read`) for some shards, in the order of `destinations`.

    Args:
        root: the state folder, where values derived from texts are kept (`inputs.kept`).

    Yields:
        the number of shards finished so far.

    Raises:
        Failure: a shard or the tokenizer cannot be read.
    """
    # Shards with the same bytes share one result.
    distinct = {destination: shard for shard, destination in zip(reversed(many), reversed(destinations), strict=True)}
    todo = [(shard, destination) for destination, shard in reversed(distinct.items())]
    # A tokenizer already uses all cores.
    threads_ = 1 if op.source.tokens.by == "tokenizer" else session.threads(connection)
    kept = {nulls: keeping(op, folder, nulls=nulls) for nulls in (False, True)}
    done = 0
    with contextlib.ExitStack() as stack:
        free: SimpleQueue[DuckDBPyConnection] = SimpleQueue()
        for _ in range(min(threads_, len(todo))):
            free.put(stack.enter_context(another(connection)))
        for batch in _batches(todo, threads_):
            _read_batch(free, op, kept, batch, folder, root, threads_)
            done += len(batch)
            yield done


def direct(op: logical.Read, many: Sequence[Shard], folder: Path) -> frozenset[str]:
    """The paths of the shards whose rows are read where they are used: large Parquet files of which neither a text
    nor an attribute is needed."""
    if op.source.tokens.by != "column" or op.source.text in needed(op) or attributes.used(op):
        return frozenset()
    places = {shard.path: shards.path(shard, folder) for shard in many if shard.rows > FEW_ROWS}
    plain = {shard.path for shard in many if _has_plain_text(op.source, shard)}
    found = [path for path, place in places.items() if path in plain and shards.is_parquet(place)]
    whole = footers.without_nulls([places[path] for path in found], op.source.text)
    return frozenset(path for path in found if places[path] in whole)


def derived(op: logical.Read, folder: Path) -> frozenset[Value]:
    """What may be stored of the texts of a source for a `Read` without clauses."""
    return frozenset(value for nulls in (False, True) for value in keeping(op, folder, nulls=nulls).values)


def rows(op: logical.Read, shard: Shard, folder: Path) -> str:
    """SQL of what a `Read` without clauses would store of one of the shards that are `direct`."""
    return _query(op, scans.scan(op.source, shard, folder, sorted(needed(op))), texts=False)


@dataclass(frozen=True, slots=True)
class _Job:
    """A shard, its path, the path of its result, and whether its texts must be read."""

    shard: Shard
    place: Path
    temporary: Path
    texts: bool


def _read_batch(
    free: SimpleQueue[DuckDBPyConnection],
    op: logical.Read,
    kept: Mapping[bool, Kept],
    batch: Sequence[tuple[Shard, Path]],
    folder: Path,
    root: Path,
    threads_: int,
) -> None:
    """Reads some shards, each with a free connection, and renames their results to their final names together."""
    places = [shards.path(shard, folder) for shard, _ in batch]
    whole = _without_nulls(op.source, [shard for shard, _ in batch], folder)

    def write(job: _Job) -> None:
        connection = free.get()
        try:
            _read(connection, op, kept[job.texts], job, folder, root)
        except duckdb.Error as error:
            raise shards.unreadable(job.place, error) from None
        finally:
            free.put(connection)

    with sealed.replacing_all([destination for _, destination in batch]) as temporaries:
        jobs = [
            _Job(shard, place, temporary, place not in whole)
            for (shard, _), place, temporary in zip(batch, places, temporaries, strict=True)
        ]
        connection = free.get()
        done = _read_together(connection, op, jobs)
        free.put(connection)
        for _ in threads.each(write, [job for job in jobs if job.temporary not in done], threads_):
            pass


def _read_together(connection: DuckDBPyConnection, op: logical.Read, jobs: Sequence[_Job]) -> frozenset[Path]:
    """Reads those shards that one query can read together, and returns the results that it wrote."""
    small = {job.place: job for job in jobs if _is_small(op, job)}
    done: set[Path] = set()
    for group in footers.alike(small) if len(small) > 1 else ():
        for texts in (False, True):
            mine = [small[place] for place in group if small[place].texts == texts]
            if not mine:
                continue
            wanted = [(name, scans.taken(op.source, name)) for name in _needed(op, texts)]
            scan = together.scan([job.place for job in mine], mine[0].shard.schema_, wanted)
            query = _query(op, scan, texts, kept=f", {together.NUMBER}")
            done.update(mine[n].temporary for n in together.copy(connection, query, [job.temporary for job in mine]))
    return frozenset(done)


def _is_small(op: logical.Read, job: _Job) -> bool:
    names = [name.lower() for name, _ in job.shard.schema_]
    return (
        0 < job.shard.rows <= FEW_ROWS
        and job.shard.bytes < LARGE
        and op.source.tokens.by != "tokenizer"
        and not attributes.used(op)
        and shards.is_parquet(job.place)
        and len({*names, *together.VIRTUAL}) == len(names) + len(together.VIRTUAL)
        and not any(scans.is_placed(job.shard, name) for name in needed(op))
    )


def _batches(todo: Sequence[tuple[Shard, Path]], threads_: int) -> Iterator[list[tuple[Shard, Path]]]:
    """The shards in order, in batches: small ones together; large ones alone, or as many as there are threads if each
    occupies only one."""
    batch: list[tuple[Shard, Path]] = []
    rows = 0
    for shard, destination in todo:
        most = _together(shard, threads_)
        full = len(batch) == most or (most == BATCH and rows + shard.rows > BATCH_ROWS)
        if batch and (full or most != _together(batch[-1][0], threads_)):
            yield batch
            batch, rows = [], 0
        batch.append((shard, destination))
        rows += shard.rows
    if batch:
        yield batch


def _together(shard: Shard, threads_: int) -> int:
    """The most shards of a size and kind that are read together."""
    if shard.bytes < LARGE:
        return BATCH
    # What is compressed as a whole is read by one thread.
    return threads_ if packing.is_compressed(Path(shard.path)) else 1


def _without_nulls(source: model.Source, many: Sequence[Shard], folder: Path) -> frozenset[Path]:
    """The shards whose texts need not be read: no text is null, and token counts do not need them."""
    if source.tokens.by != "column":
        return frozenset()
    places = [shards.path(shard, folder) for shard in many if _has_plain_text(source, shard)]
    return footers.without_nulls([place for place in places if shards.is_parquet(place)], source.text)


def _has_plain_text(source: model.Source, shard: Shard) -> bool:
    """Whether the texts of a shard are a column of strings, of which none needs to be looked at."""
    return shapes.at(shard.schema_, paths.parts(source.text)) == shapes.TEXT


def _read(connection: DuckDBPyConnection, op: logical.Read, kept: Kept, job: _Job, folder: Path, root: Path) -> None:
    values = {value: value.path(root, job.shard) for value in kept.values}
    missing = {value: path for value, path in values.items() if not sealed.is_whole(path)}
    names = sorted(needed(kept.op) - {value.name for value in values} - attributes.references(op))
    # Taking a column out of lines costs a pass over all of them: whatever is needed is then taken in the same.
    once = missing and names and op.source.text not in names and shards.format_of(job.place).lines is not None
    if missing:
        if any(value.sql is None for value in missing):
            tokens.count(connection, op.source, job.shard, folder, "counted")
        taken = [op.source.text, *(names if once else ())]
        texts = scans.scan(op.source, job.shard, folder, taken)
        store(connection, missing, texts, "counted", names if once else ())
    scan = joined(SCANNED if once else scans.scan(op.source, job.shard, folder, names), values)
    scan = attributes.joined(scan, op, job.shard, root)
    scan = _with_unreadable(connection, scan, shards.faults(job.shard, folder))
    destination = literal(str(job.temporary))
    query = _query(kept.op, scan, job.texts, values=kept.values)
    connection.execute(f"COPY ({query}) TO {destination} (FORMAT parquet, COMPRESSION zstd)")
    connection.execute(f"DROP TABLE IF EXISTS {SCANNED}")


def _with_unreadable(connection: DuckDBPyConnection, scan: str, rows: Sequence[tuple[int, str]]) -> str:
    """A scan in which rows that cannot be read at all have the reason as their fault."""
    if not rows:
        return scan
    connection.execute("CREATE OR REPLACE TEMP TABLE unreadable (line BIGINT, reason VARCHAR)")
    for start in range(0, len(rows), BATCH_ROWS):
        some = rows[start : start + BATCH_ROWS]
        pairs = [[row for row, _ in some], [reason for _, reason in some]]
        connection.execute("INSERT INTO unreadable SELECT unnest($1), unnest($2)", pairs)
    return (
        f"(SELECT scanned.* REPLACE (coalesce(reason, {FAULT}) AS {FAULT}) "
        f"FROM {scan} AS scanned LEFT JOIN unreadable ON line = __row)"
    )


def _needed(op: logical.Read, texts: bool) -> list[str]:
    """The names of the columns to read where nothing is kept."""
    return sorted(needed(op) | ({op.source.text} if texts else frozenset()))


def _query(op: logical.Read, scan: str, texts: bool, kept: str = "", values: Sequence[Value] = ()) -> str:
    """SQL of a row's facts, then why it is unreadable.

    Args:
        kept: further columns of the scan, each preceded by a comma.
        values: the columns of the scan that were derived from texts.
    """
    source = op.source
    outputs = "".join(f", {expression(output.expression)} AS {column(output.name)}" for output in op.outputs) + kept
    passed = "".join(f", {column(output.name)}" for output in op.outputs) + kept
    return f"""
        SELECT row, doc_id, domain, tokens, CAST(CASE
                WHEN fault IS NOT NULL THEN fault
                WHEN doc_id IS NULL THEN 'id is null'
                WHEN text_missing IS NOT NULL THEN text_missing
                WHEN domain IS NULL THEN 'domain is null'
                WHEN tokens IS NULL THEN 'tokens are null'
                WHEN tokens = 0 THEN 'tokens are zero'
                WHEN tokens < 0 THEN 'tokens are negative'
            END AS VARCHAR) AS bad{passed}
        FROM (
            SELECT CAST(__row AS BIGINT) AS row, CAST({expression(source.id)} AS VARCHAR) AS doc_id,
                CAST({expression(source.domain)} AS VARCHAR) AS domain,
                TRY_CAST({_tokens(op, values)} AS BIGINT) AS tokens, {_fault(op)} AS fault,
                {_text_missing(op, texts, values)} AS text_missing{outputs}
            FROM {scan} AS scanned
        )
    """


def _fault(op: logical.Read) -> str:
    """SQL of why a row's values cannot be read, or null."""
    found = dict.fromkeys(fault for part in expressions(op) for fault in faults(part))
    if op.source.tokens.column is not None:
        tokens_ = expression(op.source.tokens.column)
        found[f"{tokens_} IS NOT NULL AND TRY_CAST({tokens_} AS BIGINT) IS NULL", "'tokens need more than 64 bits'"] = (
            None
        )
    tests = "".join(f" WHEN {test} THEN {why}" for test, why in found)
    return f"CASE WHEN {FAULT} IS NOT NULL THEN {FAULT}{tests} END"


def _text_missing(op: logical.Read, texts: bool, values: Sequence[Value]) -> str:
    """SQL of why a row has no text that can be used, or null."""
    if any(value.name == UNREAD for value in values):
        return column(UNREAD)
    missing = f"CASE WHEN {column(op.source.text)} IS NULL THEN 'text is null' END"
    return missing if texts else "CAST(NULL AS VARCHAR)"


def _tokens(op: logical.Read, values: Sequence[Value]) -> str:
    tokens = op.source.tokens
    if tokens.column is not None:
        return expression(tokens.column)
    return column(TOKENS) if any(value.name == TOKENS for value in values) else estimated(op.source.text)
