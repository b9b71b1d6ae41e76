"""Checks that a dataset matches its manifest, and that its data match its ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from recipec import plugins, spec
from recipec.database.session import memory_limit
from recipec.database.sql import ident
from recipec.dataset import columns, derivation, ledger, manifest, seal
from recipec.diagnostics import Diagnostic
from recipec.ir import logical
from recipec.ir.execution import DataFile, Manifest
from recipec.places import digests, local
from recipec.progress import Progress, silent
from recipec.selection.digest import digest as selection_digest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CARD = "README.md"

SHOWN = 5


def verify(
    connection: DuckDBPyConnection, dataset: Path, progress: Progress = silent, expected: str = ""
) -> tuple[Diagnostic, ...]:
    """The diagnostics for everything that is wrong with a dataset; empty if it is intact.

    Files are compared with the manifest first; if one is missing or differs in bytes, contents are not checked.

    Args:
        expected: the first digits, at least 16, of the seal that the dataset must have, or of its plan's.

    Raises:
        Failure: the manifest is missing, damaged, or of another version, or the package of its format is not installed.
    """
    described = manifest.read_manifest(dataset)
    problems = (*_check_seal(dataset, described, expected), *_check_files(dataset, described, progress))
    if any(problem.code in {"R0621", "R0623", "R0629"} for problem in problems):
        return problems
    try:
        return (*problems, *_check_content(connection, dataset, described, progress))
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException) as error:
        # A manifest written by hand may list files that are not ours.
        reason = str(error).splitlines()[0]
        return (*problems, Diagnostic("R0624", f"the files cannot be read: {reason}", place=str(dataset)))


def write_of(described: Manifest) -> logical.Write:
    """The operation that wrote a dataset."""
    recipe = described.recipe
    assert recipe.output is not None
    return logical.Write(input=0, output=recipe.output, seed=recipe.seed, sources=recipe.sources)


def _check_files(dataset: Path, described: Manifest, progress: Progress) -> Iterable[Diagnostic]:
    listed = manifest.files_of(described)
    leaving = tuple(_check_paths(dataset, listed))
    yield from leaving
    if leaving:
        # Nothing outside is read.
        return
    names = {file.path for file in listed}
    said: set[str] = set()
    for path in local.entries(dataset):
        name = path.relative_to(dataset).as_posix()
        first = path.relative_to(dataset).parts[0]
        if name in names or name in (manifest.NAME, CARD) or first in said:
            continue
        if first.startswith(".") and local.is_folder(dataset / first):
            # What git and the Hub keep beside a dataset is one thing, of many files.
            said.add(first)
            name = f"{first}/"
        yield Diagnostic("R0622", f"`{name}` is not listed in the manifest", place=str(path))
    total, done = sum(file.bytes for file in listed), 0
    with ThreadPoolExecutor() as pool:
        for file, problem in zip(listed, pool.map(lambda file: _check_bytes(dataset, file), listed), strict=True):
            done += file.bytes
            progress("verify files", done, total, "bytes")
            if problem is not None:
                yield problem


def _check_seal(dataset: Path, described: Manifest, expected: str) -> Iterable[Diagnostic]:
    """Checks that the manifest and the card are as they were written, and have the expected seal."""
    path = dataset / manifest.NAME
    if not described.seal and described.version > 3:
        yield Diagnostic("R0629", "the manifest has no seal", place=str(path))
    if described.seal:
        if not _is_sealed(manifest.read_value(dataset), described.seal, local.read_exact(path)):
            yield Diagnostic("R0629", "the manifest was changed: its seal is of another one", place=str(path))
        yield from _check_card(dataset / CARD, described)
    seals = (described.seal, seal.planned(described.plan, described.digest))
    if expected and not any(one.startswith(expected.lower()) for one in seals):
        stated = f"{described.seal[:16]}…" if described.seal else "none, as it was written by an earlier version"
        yield Diagnostic("R0630", f"the dataset's seal is {stated}, expected {expected}", place=str(dataset))


def _is_sealed(value: dict[str, Any], stated: str, text: str) -> bool:
    """Whether a manifest is the one that its seal is of, to the last character of its text."""
    try:
        return seal.seal_of(value) == stated and manifest.text_of(value) == text
    except (KeyError, ValueError):
        # A field is missing that has a default, or a digest or a path is none: this was never sealed.
        return False


def _check_card(path: Path, described: Manifest) -> Iterable[Diagnostic]:
    try:
        text = local.read_exact(path)
    except FileNotFoundError:
        yield Diagnostic("R0621", f"`{CARD}` is missing", place=str(path))
        return
    except (OSError, UnicodeDecodeError) as error:
        yield Diagnostic("R0623", f"`{CARD}` cannot be read: {error}", place=str(path))
        return
    if seal.card_hash(text, described.seal) != described.card:
        yield Diagnostic("R0623", f"`{CARD}` was changed", place=str(path))


def _check_paths(dataset: Path, listed: Sequence[DataFile]) -> Iterable[Diagnostic]:
    """Checks that no listed path leads out of the folder: the manifest may be untrusted."""
    root = local.real(dataset)
    for file in listed:
        try:
            inside = local.real(dataset / file.path).is_relative_to(root)
        except ValueError:
            # No file can have this name: it has the character NUL, or half a character.
            inside = False
        if not inside:
            yield Diagnostic("R0621", f"`{file.path}` leaves the dataset's folder", place=str(dataset))


def _check_bytes(dataset: Path, file: DataFile) -> Diagnostic | None:
    path = dataset / file.path
    try:
        size = local.size(path)
        digest = digests.sha256_file(path) if size == file.bytes else ""
    except OSError as error:
        return Diagnostic("R0623", f"`{file.path}` cannot be read: {error.strerror}", place=str(path))
    if size is None:
        return Diagnostic("R0621", f"`{file.path}` is missing", place=str(path))
    if size != file.bytes:
        return Diagnostic("R0623", f"`{file.path}` has {size:,} bytes, expected {file.bytes:,}", place=str(path))
    if digest != file.sha256:
        message = f"`{file.path}` has the sha256 {digest[:16]}…, expected {file.sha256[:16]}…"
        return Diagnostic("R0623", message, place=str(path))
    return None


def _check_content(
    connection: DuckDBPyConnection, dataset: Path, described: Manifest, progress: Progress
) -> Iterable[Diagnostic]:
    data, rows = _data_table(dataset, described), ledger.tables([dataset / file.path for file in described.ledger])
    with _few_threads(connection, described):
        yield from _check_counts(connection, dataset, described)
    progress("verify documents", 1, 4, "steps")
    digest = selection_digest(connection, rows, described.recipe.seed, described.version)
    for place, stated in (("manifest", described.digest), ("selection", described.selection.digest)):
        if digest != stated:
            message = f"the ledger's digest is {digest[:16]}…, but the {place} says {stated[:16]}…"
            yield Diagnostic("R0625", message, place=str(dataset))
    progress("verify documents", 2, 4, "steps")
    with _few_threads(connection, described):
        yield from _check_documents(connection, described, data, rows)
    progress("verify documents", 3, 4, "steps")
    yield from derivation.check(connection, described, rows)
    progress("verify documents", 4, 4, "steps")


def _data_table(dataset: Path, described: Manifest, files: Sequence[DataFile] | None = None) -> str:
    """SQL of the provenance columns of some data files as (source, doc_id, domain, tokens, copies)."""
    op = write_of(described)
    if op.output.plugin is not None:
        plugins.check([op.output.plugin])
    paths = [dataset / file.path for file in files or described.data]
    own = columns.provenance(op).types()
    read = spec.find("formats", op.output.format).read_back(paths, own)
    names = ("source", "doc_id", "domain", "tokens", "copies")
    selected = ", ".join(f"{ident(pair[0])} AS {name}" for pair, name in zip(own, names, strict=True))
    return f"(SELECT {selected} FROM {read})"


@contextlib.contextmanager
def _few_threads(connection: DuckDBPyConnection, described: Manifest) -> Iterator[None]:
    """Lowers the number of threads, if necessary, to what memory allows while lines are read: each thread's buffer is
    twice the longest possible line."""
    longest = spec.find("formats", write_of(described).output.format).longest_line
    if not longest:
        yield
        return
    threads = int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])
    most = memory_limit(connection) // (4 * longest)
    connection.execute(f"SET threads = {max(1, min(threads, most))}")
    try:
        yield
    finally:
        connection.execute(f"SET threads = {threads}")


def _check_counts(connection: DuckDBPyConnection, dataset: Path, described: Manifest) -> Iterable[Diagnostic]:
    """Checks the rows and tokens of each file, and of each kind of file in total."""
    as_rows = write_of(described).output.copies == "rows"
    counted = "tokens" if as_rows else "tokens * copies"
    for file in described.data:
        table = _data_table(dataset, described, [file])
        yield from _compare(connection, file, f"SELECT count(*), coalesce(sum({counted}), 0) FROM {table}")
    for file in described.ledger:
        table = ledger.table(dataset / file.path)
        tokens = "coalesce(sum(tokens) FILTER (bad IS NULL), 0)"
        yield from _compare(connection, file, f"SELECT count(*), {tokens} FROM {table}")
    for file in described.unreadable:
        yield from _compare(connection, file, f"SELECT count(*), 0 FROM {ledger.table(dataset / file.path)}")
    stated = (described.rows, described.tokens)
    if stated != (sum(file.rows for file in described.data), sum(file.tokens for file in described.data)):
        message = f"the manifest's total of {stated[0]:,} rows and {stated[1]:,} tokens does not match its files"
        yield Diagnostic("R0628", message)


def _compare(connection: DuckDBPyConnection, file: DataFile, query: str) -> Iterable[Diagnostic]:
    rows, tokens = (int(value) for value in connection.execute(query).fetchall()[0])
    if (rows, tokens) != (file.rows, file.tokens):
        yield Diagnostic(
            "R0624",
            f"`{file.path}` has {rows:,} rows and {tokens:,} tokens, expected {file.rows:,} and {file.tokens:,}",
            place=file.path,
        )


def _check_documents(connection: DuckDBPyConnection, described: Manifest, data: str, rows: str) -> Iterable[Diagnostic]:
    """Checks that the data contain the selected documents, each as often as drawn, with its own domain and tokens."""
    as_rows = write_of(described).output.copies == "rows"
    # Copies are numbered from 1: with n distinct numbers and a maximum of n, each number occurs once.
    drawn = "count(*)" if as_rows else "max(copies)"
    numbered = "count(DISTINCT copies) = count(*) AND min(copies) = 1 AND max(copies) = count(*)"
    proper = numbered if as_rows else "count(*) = 1"
    found = connection.execute(
        f"""
        SELECT coalesce(data.source, ledger.source), coalesce(data.doc_id, ledger.doc_id), coalesce(data.drawn, 0),
            coalesce(ledger.copies, 0), count(*) OVER ()
        FROM (SELECT source, doc_id, {drawn} AS drawn, {proper} AS proper, min(domain) AS domain, max(domain) AS other,
                min(tokens) AS tokens, max(tokens) AS most FROM {data} GROUP BY source, doc_id) AS data
        FULL JOIN (SELECT source, doc_id, domain, tokens, copies FROM {rows} WHERE copies > 0) AS ledger
            ON data.source = ledger.source AND data.doc_id = ledger.doc_id
        WHERE data.drawn IS DISTINCT FROM ledger.copies OR NOT proper OR data.domain <> ledger.domain
            OR other <> data.domain OR data.tokens <> ledger.tokens OR most <> data.tokens
        ORDER BY 1, 2 LIMIT {SHOWN}
        """
    ).fetchall()
    for source, doc_id, drawn, copies, _ in found:
        words = f"{drawn:,} copies in the data, {copies:,} in the ledger"
        if drawn == copies:
            words = "different figures in the data and in the ledger"
        yield Diagnostic("R0627", f"document `{doc_id}` of `{source}` has {words}")
    if found and found[0][4] > len(found):
        yield Diagnostic("R0627", f"{found[0][4] - len(found):,} more documents differ")
