"""What a plan says of shards that are not alike: columns that some lack, fields that folders also state, changed names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipec import spec
from recipec.dataset import columns
from recipec.diagnostics import Diagnostic, Severity
from recipec.inputs.facts import facts, needed
from recipec.inputs.shards import is_placed, partition_names
from recipec.ir import logical, paths, shapes
from recipec.ir.execution import Shard


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
    for name in sorted(needed(op) | {op.source.text}):
        without = [shard for shard in shards if not is_placed(shard, name) and not _has(shard, name)]
        if without and name not in paths.PLACES:
            message = (
                f"`{name}` is missing in {len(without):,} of {len(shards):,} shards of source `{op.source.name}`, "
                f"where it is null: `{without[0].path}`" + (", …" if len(without) > 1 else "")
            )
            yield Diagnostic("R0308", message, span, severity=Severity.WARNING)


def _has(shard: Shard, name: str) -> bool:
    return shapes.at(shard.schema_, paths.parts(name)) is not None


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
