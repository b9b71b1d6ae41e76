"""The attributes of documents, joined by id or by row without copying the pool.

What belongs to the rows of a shard is found once and stored beside the results of steps; a `Read` adds it by row number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database.sql import column, file
from recipec.database.values import FAULT
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import joining, scans, shards
from recipec.inputs.facts import needed
from recipec.ir import logical, model, paths
from recipec.ir.attributes import Attributes
from recipec.ir.execution import Shard, SideFile
from recipec.ir.expressions import columns_of
from recipec.ir.provenance import without_origins
from recipec.places import digests, sealed
from recipec.progress import Progress, silent
from recipec.spec import References

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION = 1
"""Increased when the same files give other values."""


@lru_cache(maxsize=64)
def used(op: logical.Read) -> Mapping[int, tuple[str, ...]]:
    """The values of attributes that a `Read` uses: by position of the attributes, references in order."""
    found: dict[int, tuple[str, ...]] = {}
    for number, one in enumerate(op.source.attributes):
        names = {name for name, _ in one.schema_}
        if mine := sorted(name for name in needed(op) if paths.parts(name)[0] in names):
            found[number] = tuple(mine)
    return found


def references(op: logical.Read) -> frozenset[str]:
    """All values of attributes that a `Read` uses."""
    return frozenset(name for names in used(op).values() for name in names)


def wanted(op: logical.Read, number: int) -> References:
    """The values of some attributes that a `Read` uses, with their SQL types."""
    return [(name, scans.taken(op.source, name)) for name in used(op)[number]]


def digest(one: Attributes, files: Sequence[SideFile]) -> str:
    """The identity of what a shard is joined with, and of how; independent of the order of files that are joined by id."""
    said = [one.by, one.id, sorted(side.identity for side in files)]
    if any(shards.is_array(Path(side.path)) for side in files):
        said.append([name for name, _ in one.schema_])
    return digests.sha256_text(digests.canonical_json(said))


def partners(one: Attributes, files: Sequence[SideFile], many: Sequence[Shard]) -> list[Sequence[SideFile]]:
    """For each shard of a source, by path, the files that have its attributes."""
    return [[side] for side in files] if one.by == "row" and files else [files] * len(many)


def of(files: Sequence[SideFile], source: str, number: int) -> list[SideFile]:
    """The files of some attributes of a source, sorted by path."""
    return [side for side in files if side.source == source and side.number == number]


def place(root: Path, op: logical.Read, number: int, shard: Shard) -> Path:
    """The path of the stored attributes of a shard: `row BIGINT`, `fault VARCHAR`, and v0, v1, … as `used` lists them; those
    of rows that have some."""
    one = op.source.attributes[number]
    said = ["attributes", VERSION, one.by, _types(wanted(op, number))]
    if one.by == "id":
        key = [(name, scans.taken(op.source, name)) for name in sorted(columns_of(op.source.id))]
        said += [without_origins(op.source.id.model_dump(mode="json")), _types(key)]
    step = digests.sha256_text(digests.canonical_json(said))[:32]
    words = " ".join([shard.identity, *([shard.path] if shard.placed else []), shard.joined[number]])
    name = hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return root / "steps" / step / f"{name}.parquet"


def _types(references_: References) -> list[list[str]]:
    return [list(pair) for pair in references_]


def joined(scan: str, op: logical.Read, shard: Shard, root: Path) -> str:
    """A table expression of a scan of a shard with the attributes that a `Read` uses, which are stored."""
    added, joins, faults = "", "", f"s.{FAULT}"
    for number, names in used(op).items():
        listed = (f", a{number}.v{n} AS {column(name)}" for n, name in enumerate(names))
        added += "".join(listed)
        beside = place(root, op, number, shard)
        sealed.check([beside])
        stored = f"read_parquet({file(beside)}, hive_partitioning = false)"
        joins += f" LEFT JOIN {stored} AS a{number} ON a{number}.row = s.__row"
        faults += f", a{number}.fault"
    return f"(SELECT s.* REPLACE (coalesce({faults}) AS {FAULT}){added} FROM {scan} AS s{joins})" if joins else scan


def store(
    connection: DuckDBPyConnection,
    op: logical.Read,
    many: Sequence[Shard],
    files: Sequence[SideFile],
    folder: Path,
    root: Path,
    progress: Progress = silent,
) -> None:
    """Stores the attributes that a `Read` uses, for the shards of which none are stored.

    Args:
        many: all shards of the source, sorted by path.

    Raises:
        Failure: a file cannot be read, or an id stands twice in the files.
    """
    for number in used(op):
        one, mine = op.source.attributes[number], of(files, op.source.name, number)
        every = zip(many, partners(one, mine, many), strict=True)
        todo: dict[Path, tuple[Shard, Sequence[SideFile]]] = {}
        for shard, beside in every:
            destination = place(root, op, number, shard)
            if not sealed.is_stored(destination):
                todo[destination] = shard, beside
        if todo:
            join = joining.Join(connection, op, number, wanted(op, number), folder)
            name = f"join {op.source.name}"
            for done in join.by_row(todo) if one.by == "row" else join.by_id(todo, mine):
                progress(name, done, len(todo), "shards")


@dataclass(frozen=True, slots=True)
class Count:
    """How documents and attributes match.

    Attributes:
        documents: readable rows of the shards; `without`: those that have no attributes.
        rows: readable rows of the files; `beyond`: those that belong to no document.
        unreadable: further rows of the files.
    """

    documents: int
    without: int
    rows: int
    beyond: int
    unreadable: int


def counts(
    connection: DuckDBPyConnection, op: logical.Read, many: Sequence[Shard], files: Sequence[SideFile], root: Path
) -> Iterator[tuple[Attributes, Count]]:
    """How the documents of a source and the attributes that a `Read` uses match; these are stored."""
    for number in used(op):
        one, mine = op.source.attributes[number], of(files, op.source.name, number)
        unreadable = sum(side.unreadable for side in mine)
        rows = sum(side.rows for side in mine) - unreadable
        documents = sum(shard.rows - shard.unreadable for shard in many)
        if one.by == "row":
            yield one, Count(documents, unreadable, rows, 0, unreadable)
            continue
        found = joining.rows(connection, [place(root, op, number, shard) for shard in many])
        yield one, Count(documents, max(0, documents - found), rows, max(0, rows - found), unreadable)


def check(sources: Sequence[model.Source], many: Sequence[Shard], files: Sequence[SideFile]) -> None:
    """Raises Failure if files do not have the form that attributes need, or do not fit the shards."""
    found: list[Diagnostic] = []
    for source in sources:
        own = [shard for shard in many if shard.source == source.name]
        for number, one in enumerate(source.attributes):
            mine = of(files, source.name, number)
            found += _unlike(source, one, mine)
            found += _unpaired(source, one, mine, own) if one.by == "row" else ()
    if found:
        raise Failure(*found)


def _unlike(source: model.Source, one: Attributes, files: Sequence[SideFile]) -> Iterator[Diagnostic]:
    """Files without ids, and arrays with another number of columns than have names."""
    for side in files:
        names = [name for name, _ in side.schema_]
        message = ""
        if one.by == "id" and side.rows and one.id not in names:
            message = f"a file of attributes of source `{source.name}` has no column `{one.id}`"
        elif shards.is_array(Path(side.path)) and len(names) != len(one.schema_):
            message = f"the array has {len(names):,} columns, and {len(one.schema_):,} names are listed"
        if message:
            yield Diagnostic("R0340", message, one.origin.span, place=side.path)
            return


def _unpaired(
    source: model.Source, one: Attributes, files: Sequence[SideFile], many: Sequence[Shard]
) -> Iterator[Diagnostic]:
    """Files that cannot be joined by row with the shards in their place."""
    helps = ("the n-th file, by path, holds the attributes of the n-th shard", "join them by id if they have one")
    if len(files) != len(many):
        message = f"{len(files):,} files of attributes stand beside {len(many):,} shards of source `{source.name}`"
        yield Diagnostic("R0340", message, one.origin.span, helps=helps)
        return
    for shard, side in zip(many, files, strict=True):
        if shard.rows != side.rows:
            message = f"`{side.path}` has {side.rows:,} rows, and its shard `{shard.path}` has {shard.rows:,}"
            yield Diagnostic("R0340", message, one.origin.span, helps=helps)
            return
