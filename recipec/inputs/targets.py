"""The examples of a target: the task that a dataset is for, and the texts that it must not contain."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb

from recipec import spec
from recipec.database.connection import shared
from recipec.database.sql import column, literal
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.inputs import packing, scans, shards
from recipec.ir import model, paths, shapes
from recipec.places import digests
from recipec.places.remote import Remote

Example = tuple[str, int, int]
"""A text, and the start and end of its completion in characters: the whole text if the template marks none."""

LARGEST = 1_000_000_000
"""The most bytes of memory for the examples of a file."""

OF_AN_EXAMPLE = 200
"""The bytes of an example in memory beside those of its text."""

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


def placed(target: model.Target, folder: Path) -> tuple[list[spec.Example], list[spec.Example]]:
    """Like `texts`, with the place of each: of a text that occurs several times, the first."""
    paths, found = _found(target, folder)
    places = [_Places.of(path, folder) for path in paths]
    both: tuple[list[spec.Example], list[spec.Example]] = ([], [])
    for text, one in found.items():
        both[one.held].append(spec.Example(text, places[one.file].place(one.row)))
    return both


def examples(target: model.Target, folder: Path) -> tuple[list[Example], list[Example]]:
    """Like `texts`, with the positions of completions."""
    both: tuple[list[Example], list[Example]] = ([], [])
    for text, one in _found(target, folder)[1].items():
        both[one.held].append((text, one.start, one.stop))
    return both


class _Found(NamedTuple):
    """A text of an example: its completion, whether it is held out, its file by number and its row there."""

    start: int
    stop: int
    held: bool
    file: int
    row: int


def _found(target: model.Target, folder: Path) -> tuple[tuple[Path, ...], dict[str, _Found]]:
    """The files of a target, and its distinct texts, sorted, each as it is found first."""
    paths = shards.find_examples(target, folder)
    if not paths:
        names = ", ".join(f"`{glob}`" for glob in target.examples)
        helps = shards.none_found(target.examples, folder)
        raise Failure(Diagnostic("R0401", f"no file matches {names}", target.origin.span, "no examples", (), helps))
    found = [
        (text, _Found(start, stop, held, number, row))
        for number, path in enumerate(paths)
        for text, start, stop, held, row in _read(target, path, folder)
    ]
    if not found:
        raise Failure(Diagnostic("R0402", f"target `{target.name}` has no examples", target.origin.span))
    distinct: dict[str, _Found] = {}
    for text, one in sorted(found):
        distinct.setdefault(text, one)
    return paths, distinct


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the rows of a file stand.

    Attributes:
        name: the file, relative to the recipe's folder if it is inside.
        lines: the line of each row, from 1; None for files without lines.
    """

    name: str
    lines: list[int] | None

    @classmethod
    def of(cls, path: Path, folder: Path) -> _Places:
        name = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
        if shards.TEXT.fullmatch(path.name):
            return cls(name, [number for number, _ in _lines(path)])
        return cls(name, _json_lines(path) if shards.format_of(path).name == "jsonl" else None)

    def place(self, row: int) -> str:
        return f"{self.name}, row {row}" if self.lines is None else f"{self.name}:{self.lines[row]}"


def digest(target: model.Target, folder: Path) -> str:
    """The digest of the bytes of all of a target's files."""
    return digests.sha256_text(" ".join(digests.identity(path) for path in shards.find_examples(target, folder)))


def marks_completion(target: model.Target) -> bool:
    """Whether the template marks the part to be learned."""
    return any(mark == COMPLETION for _, _, mark, _ in string.Formatter().parse(target.text))


def _read(target: model.Target, path: Path, folder: Path) -> list[tuple[str, int, int, bool, int]]:
    """The texts of a file with start and stop of their completions, whether they are held out, and their rows."""
    lines = [line for _, line in _lines(path)] if shards.TEXT.fullmatch(path.name) else None
    if lines is not None:
        fields = _fields(target, ["text"])
        scan = "(SELECT unnest($1 :: VARCHAR[]) AS text, unnest(range(len($1))) AS __row)"
    else:
        _check_format(path)
        if packing.is_compressed(path):
            _bytes(path)  # which says if they are too many
        # What is made of a file lies beside it; what is made of an object, beside the recipe.
        beside = folder if isinstance(path, Remote) else path.parent
        columns = shards.structure(path, beside).columns
        fields = _fields(target, _known(target, columns))
        scan = scans.strings(path, beside, columns, sorted({name for _, name, _ in fields if name}))
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
    given = [] if lines is None else [lines]
    rows = f"(SELECT {whole} AS text, {start} AS start, {stop} AS stop, __row FROM {scan}) WHERE text IS NOT NULL"
    try:
        with shared([path]) as connection:
            # In Parquet a small file may stand for very many examples.
            size = connection.execute(f"SELECT sum(strlen(text) + {OF_AN_EXAMPLE}) FROM {rows}", given).fetchall()[0][0]
            if (size or 0) > LARGEST:
                message = f"the examples have {size:,} bytes in memory, more than {LARGEST:,}"
                raise Failure(Diagnostic("R0401", message, target.origin.span, place=str(path)))
            return connection.execute(
                f"SELECT text, start, stop, {held} < {int(target.holdout * 2**64)} :: UHUGEINT, __row FROM {rows}",
                given,
            ).fetchall()
    except duckdb.Error as error:
        raise shards.unreadable(path, error) from None


def _lines(path: Path) -> list[tuple[int, str]]:
    """The non-blank lines of a text file with their numbers, from 1: one example each, in the field `text`."""
    try:
        text = _bytes(path).decode()
    except (OSError, ValueError, EOFError) as error:
        raise Failure(Diagnostic("R0303", f"the examples cannot be read: {error}", place=str(path))) from None
    found: list[tuple[int, str]] = []
    number = 1
    for line in text.splitlines(keepends=True):
        if line.strip():
            found.append((number, line.splitlines()[0]))
        # Some characters that separate examples do not end a line of the file.
        number += line.endswith(("\n", "\r"))
    return found


def _json_lines(path: Path) -> list[int]:
    """The number of the line, from 1, of each row of a file of JSON lines: blank ones are not rows."""
    return [number for number, line in enumerate(_bytes(path).split(b"\n"), start=1) if line.strip()]


def _bytes(path: Path) -> bytes:
    """The content of a file, decompressed."""
    with shards.reading(path):
        return packing.content(path)


def _known(target: model.Target, columns: shapes.Columns) -> list[str]:
    """The names of fields, and those paths into nested ones that a template has."""
    try:
        named = [name for _, name, _, _ in string.Formatter().parse(target.text) if name]
    except ValueError:
        named = []  # `_fields` says what is wrong
    nested = [name for name in named if "." in name and shapes.at(columns, name.split(".")) is not None]
    return [*(paths.reference([name]) for name, _ in columns), *nested]


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
