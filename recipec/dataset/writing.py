"""The last operation of a plan: from the decisions of `Sample` to a published dataset."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from recipec import __version__, spec
from recipec.database.disk import disk_errors
from recipec.database.session import memory_limit
from recipec.database.values import INEXACT
from recipec.dataset import card, columns, conservation, ledger, manifest, placing, seal, texts
from recipec.dataset import destination as destinations
from recipec.dataset.placing import Part
from recipec.dataset.rows import Layout
from recipec.dataset.schema import dataset_schema
from recipec.dataset.staging import Staging, remove_others
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import logical
from recipec.ir.execution import DataFile, DomainTotal, ExecutionPlan, Manifest
from recipec.ir.selection import Selection
from recipec.places import digests, lease, local, publish, remote
from recipec.places.state import Store
from recipec.progress import Progress, silent

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROW_GROUP_BYTES = 32_000_000

LIMITS = texts.Limits()

LEAST_COMPRESSED = 0.2
"""Minimum share of the text's bytes needed on disk after compression; a low guess never refuses a feasible write."""


@dataclass(frozen=True, slots=True)
class Writing:
    """The state shared by the steps of one write."""

    connection: DuckDBPyConnection
    op: logical.Write
    rows: Callable[[], str]
    plan: ExecutionPlan
    staging: Staging
    progress: Progress
    limits: texts.Limits
    proven: Callable[[], None]


def write(
    connection: DuckDBPyConnection,
    op: logical.Write,
    rows: Callable[[], str],
    selection: Selection,
    plan: ExecutionPlan,
    destination: Path | None = None,
    progress: Progress = silent,
    limits: texts.Limits = LIMITS,
    proven: Callable[[], None] = lambda: None,
) -> Manifest:
    """Writes the dataset of a plan and publishes it at once; resumes a killed run.

    Does nothing if a complete dataset of the same plan already exists.

    Args:
        rows: gives SQL of the ledger's rows, as `Sample` decided them; called only if they are to be written.
        destination: a folder to use instead of the recipe's own.
        proven: raises Failure unless all that was read has the planned bytes; called when nothing more is read.

    Raises:
        Failure: the destination must not be written, the disk is full, the figures do not add up, or an input has
            changed. An existing dataset, if any, is unchanged.
    """
    # Uses the output of the operation: the plan's recipe may have an output that was overridden.
    digest = manifest.plan_digest(plan)
    target = destination or destinations.locate(Path(plan.folder), op.output)
    folder = Path(plan.folder)
    with disk_errors(target):
        destinations.check_place(plan, target)
        project = Store.beside(folder).project()
        with lease.output(target):
            staging = Staging.of(target, digest, project)
            publish.recover(staging.folder, target)
            result = destinations.standing(op.output, target)
            if result is None or not _is_same(result, target, digest, selection):
                result = _made(
                    Writing(connection, op, rows, plan, staging, progress, limits, proven), selection, digest
                )
                staging.strip(("README.md", manifest.NAME, *(file.path for file in manifest.files_of(result))))
                publish.publish_folder(staging.folder, target)
            staging.remove()
            remove_others(target, project)
    return result


def _is_same(standing: Manifest, folder: Path, digest: str, selection: Selection) -> bool:
    """Whether a folder holds all files of a dataset of the plan."""
    same = standing.plan == digest and standing.digest == selection.digest
    return same and destinations.is_whole(folder, standing)


def _made(writing: Writing, selection: Selection, digest: str) -> Manifest:
    """Builds the dataset in its growing folder, unless a run was killed just before it was published."""
    folder = writing.staging.folder
    if local.exists(folder / manifest.NAME):
        with contextlib.suppress(Failure):
            found = manifest.read_manifest(folder)
            if _is_same(found, folder, digest, selection):
                return found
    files = (*writing.plan.shards, *writing.plan.attributes)
    marks = [local.mark(remote.at(file.path, Path(writing.plan.folder))) for file in files]
    writing.staging.open(digests.sha256_text("\n".join(marks)))
    return _fill(writing, selection, digest)


def _fill(writing: Writing, selection: Selection, digest: str) -> Manifest:
    """Writes all files into the staging folder, the manifest last."""
    plan, connection = writing.plan, writing.connection
    # The ledger first: whatever follows is read from what stands in it.
    ledger_files = ledger.write_ledger(connection, writing.rows, selection, plan.shards, writing.staging)
    written = ledger.tables([writing.staging.folder / file.path for file in ledger_files])
    problems = tuple(conservation.check_ledger(connection, written, selection, plan.shards))
    if problems:
        raise Failure(*problems)
    layout = _layout(writing)
    data, domains = _write_data(writing, written, layout)
    unreadable = ledger.write_unreadable(connection, written, writing.staging)
    as_rows = writing.op.output.copies == "rows"
    problems = tuple(conservation.check_rows(connection, written, data, as_rows=as_rows))
    if problems:
        raise Failure(*problems)
    writing.proven()
    result = Manifest(
        recipec=__version__,
        recipe=plan.recipe.model_copy(update={"output": writing.op.output}),
        plan=digest,
        shards=plan.shards,
        attributes=plan.attributes,
        selection=selection,
        data=data,
        ledger=ledger_files,
        unreadable=unreadable,
        domains=domains,
        rows=sum(file.rows for file in data),
        tokens=sum(file.tokens for file in data),
        digest=selection.digest,
    )
    text = card.card(result, layout.schema, columns.provenance(writing.op))
    result = seal.sealed(result.model_copy(update={"card": seal.card_hash(text)}))
    local.write_text(writing.staging.folder / "README.md", text.replace(seal.BLANK, result.seal, 1))
    for folder in ("data", "ledger", "unreadable"):
        local.sync(writing.staging.folder / folder)
    manifest.write_manifest(writing.staging.folder, result)
    return result


def _layout(writing: Writing) -> Layout:
    """How rows of the dataset are made: a text format keeps the lines of its own shards as they were written."""
    folder = Path(writing.plan.folder)
    lines = spec.find("formats", writing.op.output.format).lines is not None
    schema = dataset_schema(writing.connection, writing.op, writing.plan.shards, folder, strict=not lines)
    return Layout(writing.op, folder, schema, lines)


def _write_data(writing: Writing, written: str, layout: Layout) -> tuple[tuple[DataFile, ...], tuple[DomainTotal, ...]]:
    connection, op, staging = writing.connection, writing.op, writing.staging
    parts = placing.place(connection, op, written, writing.plan.shards)
    done = [staging.finished(part_path(op, part)) for part in parts]
    first = next((number for number, record in enumerate(done) if record is None), len(parts))
    files = [record for record in done[:first] if record is not None]
    if first < len(parts):
        _check_room(writing, parts[first:])
        task = texts.Gathering(
            connection=connection,
            op=op,
            shards=writing.plan.shards,
            layout=layout,
            scratch=staging.scratch,
            memory=int(writing.limits.memory * memory_limit(connection)),
            fan_out=writing.limits.fan_out,
        )
        files += _write_parts(writing, task, parts, first)
    domains = placing.domain_totals(connection, op)
    connection.execute("DROP TABLE placed")
    return tuple(files), domains


def _write_parts(writing: Writing, task: texts.Gathering, parts: Sequence[Part], first: int) -> list[DataFile]:
    """Writes the parts from number `first` on; while one is being finished, the next is written."""
    total, done = sum(part.rows for part in parts), sum(part.rows for part in parts[:first])
    row_group = _row_group(parts)
    pending: list[Future[DataFile]] = []
    files: list[DataFile] = []

    def finish(future: Future[DataFile]) -> None:
        files.append(future.result())
        writing.progress("write", done + sum(file.rows for file in files), total, "documents")

    with ThreadPoolExecutor(1) as pool:

        def write_part(part: Part, rows: str) -> None:
            seal = _write_part(writing, task, part, rows, row_group)
            pending.append(pool.submit(seal))
            if len(pending) > 1:
                finish(pending.pop(0))

        texts.gather(task, parts[first:], write_part)
        for future in pending:
            finish(future)
    return files


def part_path(op: logical.Write, part: Part) -> str:
    format_ = spec.find("formats", op.output.format)
    return f"data/part-{part.number:05}{format_.suffix(op.output.compression)}"


def _write_part(
    writing: Writing, task: texts.Gathering, part: Part, rows: str, row_group: int
) -> Callable[[], DataFile]:
    """Writes one file and returns the function that finishes it."""
    output, connection = writing.op.output, writing.connection
    write = spec.find("formats", output.format).write

    def make(path: Path) -> tuple[int, int]:
        query = f"SELECT {task.layout.selected()} FROM {rows}"
        with _exact(writing.op):
            found = write(connection, query, path, output.compression, row_group)
        # A place is a shard and a row in it, so if the counts are equal, these are the rows of the places.
        if found != part.rows:
            raise Failure(
                Diagnostic(
                    "R0612",
                    f"{part_path(writing.op, part)} must have {part.rows:,} rows, but the shards provided {found:,}",
                    helps=("a shard changed while it was read; plan again",),
                )
            )
        return part.rows, part.tokens

    return writing.staging.begin(part_path(writing.op, part), make)


@contextlib.contextmanager
def _exact(op: logical.Write) -> Iterator[None]:
    """Turns the error of a query about integers that it would change into a diagnostic."""
    try:
        yield
    except duckdb.InvalidInputException as error:
        _, found, name = str(error).partition(INEXACT)
        if not found:
            raise
        message = (
            f"column `{name.splitlines()[0]}` has integers in some shards that the fractions of others would change"
        )
        helps = ("leave the column out with `columns`, or convert the shards",)
        span = op.output.origin.span if op.output.origin else None
        raise Failure(Diagnostic("R0610", message, span, helps=helps)) from None


def _row_group(parts: Sequence[Part]) -> int:
    """The number of rows of a row group of about 32 MB of text, in whole DuckDB vectors."""
    rows = sum(part.rows for part in parts)
    mean = sum(part.bytes for part in parts) / max(rows, 1)
    return int(min(60, max(1, ROW_GROUP_BYTES / max(mean, 1) // 2048))) * 2048


def _check_room(writing: Writing, parts: Sequence[Part]) -> None:
    share = 1.0 if writing.op.output.compression == "none" else LEAST_COMPRESSED
    destinations.check_room(writing.staging.folder, int(sum(part.bytes for part in parts) * share))
