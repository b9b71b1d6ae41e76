"""What a plan says of shards that are not alike: columns that some lack, fields that folders also state, changed names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec import spec
from recipec.dataset import columns
from recipec.diagnostics import Diagnostic, Severity
from recipec.inputs import attributes
from recipec.inputs.facts import facts, needed
from recipec.inputs.scans import is_placed, partition_names
from recipec.inputs.shards import is_array
from recipec.ir import logical, paths, shapes
from recipec.ir.attributes import Attributes
from recipec.ir.execution import InputFile, Shard, SideFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def warnings(plan: logical.LogicalPlan, shards: Sequence[Shard]) -> Iterator[Diagnostic]:
    """The warnings about the shards of a plan."""
    for op in plan.ops:
        if isinstance(op, logical.Read):
            mine = [shard for shard in shards if shard.source == op.source.name and shard.rows]
            yield from _missing(facts(op).read, mine)
            yield from _stated_twice(op, mine)
        if isinstance(op, logical.Write):
            yield from _renamed(op)


def _missing(op: logical.Read, shards: Sequence[Shard]) -> Iterator[Diagnostic]:
    """Columns that the recipe uses and some shards lack."""
    span = op.source.origin.span
    schemas = {shard.schema_ for shard in shards}
    for name in sorted((needed(op) | {op.source.text}) - attributes.references(op) - paths.PLACES):
        # Many shards have few schemas.
        lacking = {schema for schema in schemas if shapes.at(schema, paths.parts(name)) is None}
        without = [shard for shard in shards if shard.schema_ in lacking and not is_placed(shard, name)]
        if without:
            what = f"shards of source `{op.source.name}`"
            yield Diagnostic("R0308", _lacking(name, without, shards, what), span, severity=Severity.WARNING)


def _lacking(name: str, without: Sequence[InputFile], files: Sequence[InputFile], what: str) -> str:
    return (
        f"`{name}` is missing in {len(without):,} of {len(files):,} {what}, where it is null: `{without[0].path}`"
        + (", …" if len(without) > 1 else "")
    )


def _has(file: InputFile, name: str) -> bool:
    return shapes.at(file.schema_, paths.parts(name)) is not None


def unmatched(
    connection: DuckDBPyConnection,
    plan: logical.LogicalPlan,
    shards: Sequence[Shard],
    files: Sequence[SideFile],
    root: Path,
) -> Iterator[Diagnostic]:
    """The warnings about attributes: columns that some files lack, documents without any, rows without a document."""
    for op in plan.ops:
        if isinstance(op, logical.Read):
            read = facts(op).read
            mine = [shard for shard in shards if shard.source == op.source.name]
            yield from _missing_attributes(read, files)
            for one, count in attributes.counts(connection, read, mine, files, root):
                for message in _matches(op.source.name, one, count):
                    yield Diagnostic("R0342", message, one.origin.span, severity=Severity.WARNING)


def _missing_attributes(op: logical.Read, files: Sequence[SideFile]) -> Iterator[Diagnostic]:
    for number, names in attributes.used(op).items():
        mine = [file for file in attributes.of(files, op.source.name, number) if file.rows]
        for name in names if not any(is_array(Path(file.path)) for file in mine) else ():
            if without := [file for file in mine if not _has(file, name)]:
                what = f"files of attributes of source `{op.source.name}`"
                span = op.source.attributes[number].origin.span
                yield Diagnostic("R0308", _lacking(name, without, mine, what), span, severity=Severity.WARNING)


def _matches(source: str, one: Attributes, count: attributes.Count) -> Iterator[str]:
    """What is said of documents and attributes that do not match."""
    globs = ", ".join(f"`{glob}`" for glob in one.files)
    if count.without:
        columns = f"`{one.schema_[0][0]}`" + (", …" if len(one.schema_) > 1 else "")
        yield (
            f"{count.without:,} of {count.documents:,} documents of source `{source}` have no attributes in {globs}: "
            f"{columns} {'is' if len(one.schema_) == 1 else 'are'} null there"
        )
    if count.beyond:
        yield f"{count.beyond:,} of {count.rows:,} rows of {globs} belong to no document of source `{source}`"
    if count.unreadable:
        yield f"{count.unreadable:,} rows of {globs} cannot be read, so that no document has their attributes"


def _stated_twice(op: logical.Read, shards: Sequence[Shard]) -> Iterator[Diagnostic]:
    """Fields of shards whose folders state a column of that name."""
    found: dict[str, str] = {}
    for shard in shards:
        own = {name for name, _ in shard.schema_}
        for name, _ in partition_names(shard.path):
            if name in own:
                found.setdefault(name, shard.path)
    for name, path in sorted(found.items()):
        message = f"`{name}` is taken from the file where a folder states it too: `{path}`"
        yield Diagnostic("R0312", message, op.source.origin.span, severity=Severity.WARNING)


def _renamed(op: logical.Write) -> Iterator[Diagnostic]:
    """Columns of the dataset that cannot keep their names."""
    if spec.find("formats", op.output.format).lines is not None:
        return
    names = columns.united(op)
    changed = [(old, new) for old, new in zip(names, columns.written(names), strict=True) if old != new]
    if changed:
        said = ", ".join(f"`{old}` as `{new}`" for old, new in changed)
        message = f"columns whose names differ only in case get a number in the dataset: {said}"
        span = op.output.origin.span if op.output.origin else None
        helps = ("`output jsonl` keeps the names",)
        yield Diagnostic("R0311", message, span, helps=helps, severity=Severity.WARNING)
