"""The columns of the dataset: those of the sources, merged by name, and the provenance of each row.

web(doc_id, text, url), code(doc_id, text, stars)
    ->  doc_id, text, url, stars, _source, _doc_id, _domain, _tokens, _copy
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recipec.ir import logical
from recipec.ir.execution import Shard


@dataclass(frozen=True, slots=True)
class Provenance:
    """The names of the provenance columns; `copies` is the number of a copy (from 1) in a dataset with copies as rows,
    else the number of copies that the row represents."""

    source: str
    doc_id: str
    domain: str
    tokens: str
    copies: str

    def types(self) -> tuple[tuple[str, str], ...]:
        """Name and SQL type of each, in order."""
        return (
            (self.source, "VARCHAR"),
            (self.doc_id, "VARCHAR"),
            (self.domain, "VARCHAR"),
            (self.tokens, "BIGINT"),
            (self.copies, "BIGINT"),
        )


def provenance(op: logical.Write) -> Provenance:
    """The provenance columns of a dataset: each with a leading underscore, or more if a source has that name."""
    taken = {name.lower() for source in op.sources for name, _ in source.schema_}
    last = "copy" if op.output.copies == "rows" else "copies"
    words = ("source", "doc_id", "domain", "tokens", last)
    prefix = "_"
    while any(prefix + word in taken for word in words):
        prefix += "_"
    return Provenance(*(prefix + word for word in words))


def columns_of(op: logical.Write) -> dict[str, tuple[str, ...]]:
    """For each source, the columns that go into the dataset, in their order in the dataset."""
    chosen = op.output.columns
    wanted = {name.lower() for name in chosen}
    result = {}
    for source in op.sources:
        names = [name for name, _ in source.schema_]
        result[source.name] = tuple(name for name in names if not chosen or name.lower() in wanted)
    return result


def columns_in(op: logical.Write, shard: Shard) -> tuple[str, ...]:
    """The dataset's columns that a shard has, by the shard's own names; a shard may lack some."""
    wanted = {name.lower() for name in columns_of(op)[shard.source]}
    return tuple(name for name, _ in shard.schema_ if name.lower() in wanted)


def united(op: logical.Write) -> tuple[str, ...]:
    """The names of the dataset's own columns: as chosen, or all in order of first appearance in the sources.

    Names that differ only in case are one column, as they are to DuckDB."""
    per_source: Sequence[Sequence[str]] = tuple(columns_of(op).values())
    names: dict[str, str] = {}
    for name in op.output.columns or tuple(name for source in per_source for name in source):
        names.setdefault(name.lower(), name)
    return tuple(names.values())
