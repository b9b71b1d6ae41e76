"""Op `Score`: values of documents from their texts, with all calls for a shard in one scan."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from recipec import plugins, spec
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.inputs import documents, scans, shards, targets
from recipec.ir import logical
from recipec.ir.task import ScoreTask
from recipec.places import sealed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 2048
"""The number of texts passed to a batch criterion at once."""

AHEAD = 4
"""The most batches of texts computed concurrently."""


def score(
    connection: DuckDBPyConnection, task: ScoreTask, folder: Path, root: Path, submit: Callable[..., Future[Any]]
) -> None:
    """Writes the results of score calls over one shard (see `logical.Score`), one file per call.

    Args:
        root: the state folder.
        submit: like `Executor.submit`, for criteria computed in Python.

    Raises:
        Failure: the shard or a target cannot be read.
    """
    scan = scans.texts(task.ops[0].source, task.shard, folder)
    survivors = documents.survivors(task.input, root, folder)
    texts = f"(SELECT survivors.row, text FROM {scan} AS scanned JOIN {survivors} AS survivors ON row = __row)"
    in_sql = [op for op in task.ops if _extension(op).sql is not None]
    in_batches = [op for op in task.ops if _extension(op).sql is None]
    try:
        if in_sql:
            values = ", ".join(f"({_sql(connection, op, folder)}) AS v{n}" for n, op in enumerate(in_sql))
            connection.execute(f"CREATE OR REPLACE TEMP TABLE scored AS SELECT row, {values} FROM {texts}")
        if in_batches:
            _score_batches(connection, in_batches, texts, folder, submit)
        for op, result in zip(task.ops, task.results, strict=True):
            here = in_sql if op in in_sql else in_batches
            table = "scored" if here is in_sql else "scored_batches"
            _write(connection, table, f"v{here.index(op)}", root / result)
        connection.execute("DROP TABLE IF EXISTS scored; DROP TABLE IF EXISTS scored_batches")
    except duckdb.Error as error:
        raise shards.unreadable(shards.path(task.shard, folder), error) from None


def params(op: logical.Score, folder: Path) -> Any:
    """The parameters with which a criterion is called; if it has a target, prepared from its examples."""
    extension = _extension(op)
    values = extension.params.model_validate(op.call.params)
    if extension.prepare is None or op.target is None:
        return values
    key = (op.call.name, op.target, folder, targets.digest(op.target, folder))
    with _PREPARING:
        if key not in _PREPARED:
            _PREPARED.clear()
            try:
                _PREPARED[key] = extension.prepare(values, *targets.placed(op.target, folder))
            except ValueError as error:
                where = op.call.origin.span
                raise Failure(
                    Diagnostic("R0404", f"target `{op.target.name}` cannot be used: {error}", where)
                ) from None
        return _PREPARED[key]


def cautions(plan: logical.LogicalPlan, folder: Path) -> tuple[Diagnostic, ...]:
    """The warnings of a plan's criteria about the examples of their targets, each once.

    Raises:
        Failure: a target cannot be read.
    """
    found = []
    for op in plan.ops:
        if isinstance(op, logical.Score) and op.target is not None and _extension(op).cautions is not None:
            with _blamed(op):
                said = _extension(op).cautions(params(op, folder))
            found += [_caution(op, op.target.name, words) for words in said]
    return tuple(dict.fromkeys(found))


def _caution(op: logical.Score, target: str, words: str) -> Diagnostic:
    helps = ("take them out of the examples, or let the target's `text` say more of each",)
    message = f"target `{target}`: {words}"
    return Diagnostic("R0406", message, op.call.origin.span, helps=helps, severity=Severity.WARNING)


_PREPARED: dict[Any, Any] = {}
"""The last prepared parameters, keyed by all that they depend on, including the bytes of the examples: the next shard
needs the same."""

_PREPARING = threading.Lock()


def _sql(connection: DuckDBPyConnection, op: logical.Score, folder: Path) -> str:
    """The SQL of a value; SQL from a plug-in is tested first, since its errors would otherwise be blamed on a shard."""
    with _blamed(op):
        written: str = _extension(op).sql("text", params(op, folder))
        if op.call.plugin is not None:
            connection.execute(f"SELECT ({written}) FROM (SELECT '' AS text)")
    return written


def _blamed(op: logical.Score) -> contextlib.AbstractContextManager[None]:
    return plugins.blamed(op.call.plugin, f"criterion `{op.call.function}`", op.call.origin.span)


def _extension(op: logical.Score) -> Any:
    return spec.find("criteria", op.call.function)


SQL_TYPE = {"boolean": "BOOLEAN", "integer": "BIGINT", "float": "DOUBLE", "string": "VARCHAR"}


def _score_batches(
    connection: DuckDBPyConnection,
    ops: Sequence[logical.Score],
    texts: str,
    folder: Path,
    submit: Callable[..., Future[Any]],
) -> None:
    columns = ", ".join(f"v{number} {SQL_TYPE[op.call.type]}" for number, op in enumerate(ops))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE scored_batches (row BIGINT, {columns})")
    for op in ops:
        params(op, folder)  # Reports errors in a target here, not in another process.
    # Temporary tables belong to a connection, so the texts are read on it, in bounded pieces by row.
    connection.execute(f"CREATE OR REPLACE TEMP TABLE batch_texts AS SELECT row, text FROM {texts} ORDER BY row")
    try:
        _compute(connection, ops, folder, submit)
    except BrokenExecutor:
        helps = ("use fewer `--threads`: each one runs a process that holds texts and their values",)
        message = "a process that computes criteria was killed: most likely it had too little memory"
        raise Failure(Diagnostic("R0405", message, helps=helps)) from None
    connection.execute("DROP TABLE batch_texts")


def _compute(
    connection: DuckDBPyConnection, ops: Sequence[logical.Score], folder: Path, submit: Callable[..., Future[Any]]
) -> None:
    """Computes `scored_batches` from `batch_texts`."""
    places = ", ".join(f"unnest(${number})" for number in range(1, len(ops) + 2))
    waiting: deque[tuple[list[int], Future[list[list[Any]]]]] = deque()

    def take() -> None:
        rows, future = waiting.popleft()
        connection.execute(f"INSERT INTO scored_batches SELECT {places}", [rows, *future.result()])

    for rows, batch in _batches(connection):
        waiting.append((rows, submit(computed, tuple(ops), folder, batch)))
        if len(waiting) >= AHEAD:
            take()
    while waiting:
        take()


def _batches(connection: DuckDBPyConnection) -> Iterator[tuple[list[int], list[str]]]:
    """The rows and texts of `batch_texts`, `BATCH` at a time."""
    total = connection.execute("SELECT count(*) FROM batch_texts").fetchall()[0][0]
    for start in range(0, total, BATCH):
        # By row id: LIMIT has no guaranteed order, so rows might come twice.
        query = f"SELECT row, text FROM batch_texts WHERE rowid BETWEEN {start} AND {start + BATCH - 1}"
        found = connection.execute(query).fetchall()
        yield [row for row, _ in found], [text for _, text in found]


def computed(ops: Sequence[logical.Score], folder: Path, texts: Sequence[str]) -> list[list[Any]]:
    """The values of batch criteria for some texts, one list per criterion. May be called in any process."""
    return [_batch(op, texts, params(op, folder)) for op in ops]


def _batch(op: logical.Score, texts: Sequence[str], parameters: Any) -> list[Any]:
    result: list[Any] = []
    for piece in _pieces(texts):
        with _blamed(op):
            values = np.asarray(_extension(op).batch(piece, parameters))
            if values.shape != (len(piece),):
                raise ValueError(f"values of shape {values.shape} for {len(piece):,} texts")
        result += values.tolist()
    return result


PIECE = 400_000
"""Characters of texts that a criterion gets at once: what it makes of them then stays in the processor's cache, which halves
the time of those that count n-grams."""


def _pieces(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in order, so many that they have `PIECE` characters, at least one at a time."""
    first = size = 0
    for number, text in enumerate(texts):
        if size and size + len(text) > PIECE:
            yield texts[first:number]
            first, size = number, 0
        size += len(text)
    yield texts[first:]


def _write(connection: DuckDBPyConnection, table: str, column: str, destination: Path) -> None:
    with sealed.replacing(destination) as temporary:
        connection.execute(
            f"COPY (SELECT row, {column} AS value FROM {table} ORDER BY row) TO {literal(str(temporary))} "
            f"(FORMAT parquet, COMPRESSION zstd)"
        )
