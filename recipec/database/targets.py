"""The examples of a target: what a dataset is for, and what it must not contain."""

from __future__ import annotations

import gzip
import re
import string
from pathlib import Path

import duckdb

from recipec.database import shards
from recipec.database.sql import ident, literal
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.ir import model
from recipec.ir.execution import Shard


def texts(target: model.Target, folder: Path) -> tuple[list[str], list[str]]:
    """The texts of a target's examples, those to use and those held out, each sorted.

    Which are held out is decided by a hash of the text, so that it never changes with order or files.

    Raises:
        Failure: no file, no such field, no example, or a file that cannot be read.
    """
    paths = shards.find(target.examples, folder)
    if not paths:
        names = ", ".join(f"`{glob}`" for glob in target.examples)
        raise Failure(Diagnostic("R0401", f"no file matches {names}", target.origin.span, "no examples"))
    found: list[tuple[str, bool]] = []
    for path in paths:
        found += _read(target, path)
    if not found:
        raise Failure(Diagnostic("R0402", f"target `{target.name}` has no examples", target.origin.span))
    distinct = sorted(set(found))
    return [text for text, held in distinct if not held], [text for text, held in distinct if held]


def _read(target: model.Target, path: Path) -> list[tuple[str, bool]]:
    lines = _lines(path) if LINES.fullmatch(path.name) else None
    if lines is not None:
        fields = _fields(target, ["text"])
        scan = "(SELECT unnest($1 :: VARCHAR[]) AS text)"
    else:
        columns = shards.schema(path)
        shard = Shard(source="", path=str(path), sha256="", bytes=0, mtime_ns=0, rows=0, schema_=columns)
        fields = _fields(target, [name for name, _ in columns])
        scan = shards.scan(shard, Path(), sorted({name for _, name in fields if name}))
    pieces = " || ".join(
        literal(text) + (f" || CAST({ident(name)} AS VARCHAR)" if name else "") for text, name in fields
    )
    held = f"md5_number_lower({literal('holdout' + chr(31) + target.name + chr(31))} || text)"
    try:
        with duckdb.connect() as connection:
            return connection.execute(
                f"SELECT text, {held} < {int(target.holdout * 2**64)} :: UHUGEINT FROM (SELECT {pieces} AS text FROM {scan}) "
                f"WHERE text IS NOT NULL",
                [] if lines is None else [lines],
            ).fetchall()
    except duckdb.Error as error:
        raise shards.unreadable(path, error) from None


LINES = re.compile(r".*\.txt(\.gz|\.zst)?", re.IGNORECASE | re.DOTALL)


def _lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank: an example each, in the field `text`."""
    try:
        if path.suffix.lower() == ".zst":
            import zstandard

            with zstandard.open(path, "rt", encoding="utf-8") as file:
                text = file.read()
        elif path.suffix.lower() == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as file:
                text = file.read()
        else:
            text = path.read_text(encoding="utf-8")
    except (OSError, ValueError, EOFError) as error:
        raise Failure(Diagnostic("R0303", f"the examples cannot be read: {error}", place=str(path))) from None
    return [line for line in text.splitlines() if line.strip()]


def _fields(target: model.Target, known: list[str]) -> list[tuple[str, str | None]]:
    """The template taken apart: pieces of text, each followed by the name of a field or by nothing."""
    span = target.origin.span
    try:
        parsed = [(text, name) for text, name, _, _ in string.Formatter().parse(target.text)]
    except ValueError as error:
        raise Failure(Diagnostic("R0403", f"the template of target `{target.name}` is broken: {error}", span)) from None
    for _, name in parsed:
        if name is not None and name not in known:
            message = f"the examples of target `{target.name}` have no field `{name}`"
            raise Failure(Diagnostic("R0403", message, span, helps=did_you_mean(name, known)))
    return parsed
