"""The examples of a target: the task that a dataset is for, and the texts that it must not contain."""

from __future__ import annotations

import gzip
import string
from pathlib import Path

import duckdb

from recipec.database.connection import shared
from recipec.database.sql import column, literal
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.inputs import shards
from recipec.ir import model
from recipec.places import digests, local

Example = tuple[str, int, int]
"""A text, and the start and end of its completion in characters: the whole text if the template marks none."""

COMPLETION = "completion"
"""The mark of the completion field: `"{question} {answer:completion}"`."""


def _check_format(path: Path) -> None:
    """Rejects plug-in formats: examples have no step whose identity could record the version of the package."""
    plugin = shards.plugin_of(path)
    if plugin is not None:
        helps = ("write them as .parquet, .jsonl or plain text",)
        raise Failure(Diagnostic("R0302", f"examples cannot be of a format of {plugin}", place=str(path), helps=helps))


def texts(target: model.Target, folder: Path) -> tuple[list[str], list[str]]:
    """The texts of a target's examples: those to use and those held out, each sorted.

    A hash of the text decides which are held out, so that this does not depend on order or files.

    Raises:
        Failure: no file, no such field, no example, or a file that cannot be read.
    """
    used, held = examples(target, folder)
    return [text for text, _, _ in used], [text for text, _, _ in held]


def examples(target: model.Target, folder: Path) -> tuple[list[Example], list[Example]]:
    """Like `texts`, with the positions of completions."""
    paths = shards.find_examples(target, folder)
    if not paths:
        names = ", ".join(f"`{glob}`" for glob in target.examples)
        helps = shards.none_found(target.examples, folder)
        raise Failure(Diagnostic("R0401", f"no file matches {names}", target.origin.span, "no examples", (), helps))
    found: list[tuple[str, int, int, bool]] = []
    for path in paths:
        found += _read(target, path)
    if not found:
        raise Failure(Diagnostic("R0402", f"target `{target.name}` has no examples", target.origin.span))
    distinct: dict[str, tuple[int, int, bool]] = {}
    for text, start, stop, held in sorted(found):
        distinct.setdefault(text, (start, stop, held))
    used = [(text, start, stop) for text, (start, stop, held) in distinct.items() if not held]
    return used, [(text, start, stop) for text, (start, stop, held) in distinct.items() if held]


def digest(target: model.Target, folder: Path) -> str:
    """The digest of the bytes of all of a target's files."""
    return digests.sha256_text(" ".join(digests.sha256_file(path) for path in shards.find_examples(target, folder)))


def marks_completion(target: model.Target) -> bool:
    """Whether the template marks the part to be learned."""
    return any(spec == COMPLETION for _, _, spec, _ in string.Formatter().parse(target.text))


def _read(target: model.Target, path: Path) -> list[tuple[str, int, int, bool]]:
    lines = _lines(path) if shards.TEXT.fullmatch(path.name) else None
    if lines is not None:
        fields = _fields(target, ["text"])
        scan = "(SELECT unnest($1 :: VARCHAR[]) AS text)"
    else:
        _check_format(path)
        columns = shards.structure(path, path.parent).columns
        fields = _fields(target, [name for name, _ in columns])
        scan = shards.strings(path, columns, sorted({name for _, name, _ in fields if name}))
    pieces: list[str] = []
    marked: list[int] = []
    for words, name, mark in fields:
        pieces.append(literal(words))
        if name:
            pieces.append(column(name))
        if mark:
            marked.append(len(pieces) - 1)
    whole = " || ".join(pieces)
    start, stop = "0", f"length({whole})"
    if marked:
        before = " || ".join(["''", *pieces[: marked[0]]])
        start, stop = f"length({before})", f"length({before} || {pieces[marked[0]]})"
    held = f"md5_number_lower({literal('holdout' + chr(31) + target.name + chr(31))} || text)"
    try:
        with shared() as connection:
            return connection.execute(
                f"SELECT text, start, stop, {held} < {int(target.holdout * 2**64)} :: UHUGEINT FROM "
                f"(SELECT {whole} AS text, {start} AS start, {stop} AS stop FROM {scan}) WHERE text IS NOT NULL",
                [] if lines is None else [lines],
            ).fetchall()
    except duckdb.Error as error:
        raise shards.unreadable(path, error) from None


def _lines(path: Path) -> list[str]:
    """The non-blank lines of a text file: one example each, in the field `text`."""
    try:
        if path.suffix.lower() == ".zst":
            import zstandard

            with zstandard.open(path, "rt", encoding="utf-8") as file:
                text = file.read()
        elif path.suffix.lower() == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as file:
                text = file.read()
        else:
            text = local.read_text(path)
    except (OSError, ValueError, EOFError) as error:
        raise Failure(Diagnostic("R0303", f"the examples cannot be read: {error}", place=str(path))) from None
    return [line for line in text.splitlines() if line.strip()]


def _fields(target: model.Target, known: list[str]) -> list[tuple[str, str | None, bool]]:
    """The parsed template: pieces of text, each with the name of the field after it (or None), and whether that field
    is the completion."""
    span = target.origin.span
    try:
        parsed = [
            (text, name, mark or "", conversion)
            for text, name, mark, conversion in string.Formatter().parse(target.text)
        ]
    except ValueError as error:
        raise Failure(Diagnostic("R0403", f"the template of target `{target.name}` is broken: {error}", span)) from None
    for _, name, mark, conversion in parsed:
        if name is not None and name not in known:
            message = f"the examples of target `{target.name}` have no field `{name}`"
            raise Failure(Diagnostic("R0403", message, span, helps=did_you_mean(name, known)))
        if conversion or mark not in ("", COMPLETION):
            message = (
                f"the template of target `{target.name}` has the mark `{f'!{conversion}' if conversion else mark}`"
            )
            raise Failure(Diagnostic("R0403", message, span, helps=(f"the only one is `{{{name}:{COMPLETION}}}`",)))
    if sum(mark == COMPLETION for _, _, mark, _ in parsed) > 1:
        raise Failure(Diagnostic("R0403", f"the template of target `{target.name}` marks two completions", span))
    return [(text, name, mark == COMPLETION) for text, name, mark, _ in parsed]
