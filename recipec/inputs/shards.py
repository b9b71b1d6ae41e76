"""Input shards: the files that match a glob, the format of each, and how to scan one with its row numbers.

The contents of a shard are read by its format (see `spec.Format`); this module only decides which format that is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from recipec import plugins, spec
from recipec.database import confinement
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.inputs import packing, repair
from recipec.places import digests, globs, local, remote, scheme, settings
from recipec.source import Span, strange

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    # For types only: the models of a plan take a while to build, and reading a schema needs no plan.
    from recipec.ir import model
    from recipec.ir.execution import Shard
    from recipec.ir.shapes import Columns


SHOWN = 3
"""The most globs that a warning names."""

TEXT = re.compile(r".*\.txt(\.gz|\.zst)?", re.IGNORECASE | re.DOTALL)
"""The names of files of plain text, which may hold the examples of a target."""


def find(patterns: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """The files that match globs relative to a folder: each once, sorted by path, without hidden ones. A folder means the
    files with the suffix of a built-in format.

    Raises:
        Failure: as in `globs.matches`.
    """
    settings.learn_for(patterns, folder)
    found = globs.matches(patterns, folder, is_shard)
    _reach(patterns, folder, found)
    _check_kinds(found)
    return found


def _reach(patterns: Sequence[str], folder: Path, found: Sequence[Path]) -> None:
    """Lets queries read the files that a recipe's globs find: below where these begin, and behind symbolic links."""
    heads = [head for pattern in patterns for head in globs.heads(pattern, folder)]
    links = [path for path in found if local.is_link(path)]
    confinement.reach(map(confinement.start, heads))
    confinement.reach(confinement.folders_of(links))


def _check_kinds(found: Sequence[Path]) -> None:
    """Raises Failure if a file is none on a disk: the globs find nothing but what says that it is regular."""
    # Behind a name of the suffix of a shard, such a file is only found by a link.
    for path in found:
        if local.is_link(path) and (what := strange(path)):
            raise Failure(Diagnostic("R0302", f"it is {what}, not a regular file", place=str(path)))


def find_examples(target: model.Target, folder: Path) -> tuple[Path, ...]:
    """Like `find`, for the examples of a target: a folder means its files of plain text too."""
    with placed(target.origin.span):
        settings.learn_for(target.examples, folder)
        found = globs.matches(target.examples, folder, lambda name: is_shard(name) or bool(TEXT.fullmatch(name)))
        _reach(target.examples, folder, found)
        _check_kinds(found)
        for path in found:
            # They are read as a whole, and before that their bytes are part of a step's identity.
            if (size := local.size(path) or 0) > packing.LARGEST:
                message = f"the examples have {size:,} bytes, more than {packing.LARGEST:,}"
                raise Failure(Diagnostic("R0401", message, place=str(path)))
        return found


@contextlib.contextmanager
def placed(span: Span | None) -> Iterator[None]:
    """Gives an error about a file the span where the recipe names it."""
    try:
        yield
    except Failure as failure:
        raise Failure(dataclasses.replace(failure.diagnostics[0], span=span)) from None


def is_shard(name: str) -> bool:
    """Whether the name of a file has the suffix of a built-in format."""
    return bool(_longest(name.lower(), formats()))


def unmatched(source: model.Source, folder: Path) -> Diagnostic | None:
    """The warning about those of a source's several globs, and of the alternatives of their braces, that no file matches."""
    found = globs.unmatched(source.shards, folder, is_shard)
    if not found:
        return None
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    message = f"no file matches {', '.join(f'`{one}`' for one in found[:SHOWN])}{more}"
    helps = ("the other globs of the source have files; correct these, or leave them out",)
    return Diagnostic("R0310", message, source.origin.span, helps=helps, severity=Severity.WARNING)


def none_found(patterns: Sequence[str], folder: Path) -> tuple[str, ...]:
    """What to do about globs that no file matches."""
    heads = [head for pattern in patterns for head in globs.heads(pattern, folder)]
    others = [(head, what) for head in heads if (what := local.kind(head)) not in ("", "a folder")]
    if others:
        return tuple(f"`{head}` is {what}, not a regular file" for head, what in others)
    matched = globs.folders(patterns, folder)
    if not matched and all(map(scheme.of, patterns)):
        return ("the store has no object of that name; upper and lower case are different names",)
    if not matched:
        return (f"globs are relative to the recipe's folder, {folder}",)
    suffixes = ", ".join(sorted({suffix for one in formats() for suffix in one.suffixes}))
    return tuple(
        f"`{one}` is a folder without shards: they end in {suffixes}"
        if globs.names_folders(one)
        else f"`{one}` matches folders; `{one}/` means all shards in them"
        for one in matched
    )


def path(shard: Shard, folder: Path) -> Path:
    """The path of a shard; its own path is relative to the recipe's folder if it is inside that folder."""
    place = remote.at(shard.path, folder)
    if isinstance(place, remote.Remote):
        # A process that listed nothing, such as one on another machine, reads what was planned and nothing else.
        settings.learn(folder)
        remote.expect(place, shard.bytes, shard.mtime_ns, shard.sha256)
    return place


def format_of(path: Path) -> spec.Format:
    """The format of a file, by its suffix; formats of other packages are considered only if no built-in one matches.

    Raises:
        Failure: its format is unknown, or several packages have one for it.
    """
    name = path.name.lower()
    found = _longest(name, formats()) or _longest(name, _plugged())
    if not found:
        helps = (
            "shards are .parquet files, or .jsonl, .ndjson and .json, which may end in .gz, .zst, .bz2, .xz or .lz4",
        )
        raise Failure(Diagnostic("R0302", f"`{path.name}` has no known format", place=str(path), helps=helps))
    if len(found) > 1:
        words = [f"`{one.name}` of {spec.origin('formats', one.name)}" for one in found]
        message = f"`{path.name}` may be of the formats {' and '.join(words)}"
        helps = ("uninstall the plug-in whose format you do not need",)
        raise Failure(Diagnostic("R0244", message, place=str(path), helps=helps))
    format_: spec.Format = spec.find("formats", found[0].name)
    return format_


def _longest(name: str, among: Sequence[spec.Format]) -> list[spec.Format]:
    """The formats with the longest suffix that a name ends with."""
    found = [(len(suffix), one) for one in among for suffix in one.suffixes if name.endswith(suffix)]
    longest = max((length for length, _ in found), default=0)
    return [one for length, one in found if length == longest]


@cache
def formats() -> tuple[spec.Format, ...]:
    """The built-in formats, sorted by name."""
    return tuple(spec.built_in("formats", name) for name in spec.own("formats"))


def _plugged() -> list[spec.Format]:
    return [spec.find("formats", name) for name in plugins.words("formats") if name not in spec.own("formats")]


def is_array(path: Path) -> bool:
    """Whether a file is an array (`.npy`), which may hold attributes of documents, but no documents."""
    return path.suffix.lower() == ".npy"


def is_typed(path: Path) -> bool:
    """Whether a file states the types of its columns."""
    return is_array(path) or format_of(path).typed


def plugin_of(path: Path) -> model.Plugin | None:
    """The package whose format a file has; None for a built-in format.

    Raises:
        Failure: as in `format_of`.
    """
    word = format_of(path).name
    return None if word in spec.own("formats") else spec.origin("formats", word)


def check_built_in(path: Path) -> None:
    """Raises Failure if a file, which holds attributes, has no format of recipec's own."""
    if format_of(path).name not in spec.own("formats"):
        helps = ("attributes are .parquet, JSON lines or .npy",)
        raise Failure(Diagnostic("R0302", f"`{path.name}` has a format of a plug-in", place=str(path), helps=helps))


def schema(path: Path, folder: Path) -> Columns:
    """The columns of a file; where its rows may be of several kinds, those of the first rows.

    Args:
        folder: as in `packing.readable`.

    Raises:
        Failure: it cannot be read, is truncated, or has an unknown format.
    """
    if is_array(path):
        return structure(path, folder).columns
    format_ = format_of(path)
    with _reading(path, folder) as (connection, readable):
        return format_.columns(connection, readable)


def structure(path: Path, folder: Path) -> spec.Structure:
    """The structure of a file, found in all of its rows.

    Raises:
        Failure: as in `schema`.
    """
    if is_array(path):
        # Imported here: few recipes have arrays, and checking one imports no numpy.
        from recipec.inputs import arrays

        with reading(path):
            return arrays.structure(packing.mappable(path, folder))
    format_ = format_of(path)
    with _reading(path, folder) as (connection, readable):
        return format_.structure(connection, readable)


def digest(path: Path) -> str:
    """The sha256 of a file's bytes, or what its store states of an object; one that is compressed is checked to be whole.

    Raises:
        Failure: it is cut off or damaged.
    """
    if isinstance(path, remote.Remote):
        if packing.is_compressed(path) and path.facts().bytes:
            with reading(path):
                packing.checked(path)
        return path.facts().identity
    if not packing.is_compressed(path) or not local.stat(path).bytes:
        return digests.sha256_file(path)
    with reading(path):
        return packing.checked(path)


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, so that one query can read many of them (see `inputs.footers`)."""
    return not is_array(path) and format_of(path).name == "parquet"


def unreadable(path: Path, error: Exception) -> Failure:
    """The failure for a file that could not be read: the file's fault, or that of a limit of the machine."""
    # Imported here: see `_reading`.
    from recipec.database.disk import limit_reached

    if (failure := limit_reached(error, str(path)) or repair.not_utf8(error)) is not None:
        return failure
    first = (str(error).splitlines() or [""])[0]
    words = getattr(error, "strerror", None) or first.partition(": ")[2] or str(error)
    helps: tuple[str, ...] = ("replace the shard, or take it out of the glob",)
    if isinstance(error, spec.Misread):
        words, helps = str(error), error.helps
    elif isinstance(error, ValueError):
        words = str(error)
    return Failure(Diagnostic("R0303", f"the shard cannot be read: {words}", place=str(path), helps=helps))


def faults(shard: Shard, folder: Path) -> list[tuple[int, str]]:
    """The rows of a shard that cannot be read, each with the reason."""
    return faults_of(path(shard, folder), folder) if shard.unreadable else []


def faults_of(path: Path, folder: Path) -> list[tuple[int, str]]:
    """As `faults`, for any file."""
    find_faults = format_of(path).faults
    if find_faults is None or not local.size(path):
        return []
    with _reading(path, folder) as (connection, readable):
        return list(find_faults(connection, readable))


@contextlib.contextmanager
def _reading(path: Path, folder: Path) -> Iterator[tuple[DuckDBPyConnection, Path]]:
    """A connection for reading a file, and what to read in its place; errors are reported for that file."""
    # Imported here: loading the engine takes longer than checking a recipe whose schemas are known.
    import duckdb

    from recipec.database.connection import shared

    try:
        readable = packing.readable(path, folder)
        with shared([readable]) as connection:
            yield connection, readable
    except (duckdb.Error, OSError, ValueError) as error:
        raise unreadable(path, error) from None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Reports errors of reading a file for that file."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
