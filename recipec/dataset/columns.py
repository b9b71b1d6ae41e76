"""The columns of the dataset: those of the sources, merged by name, and the provenance of each row.

web(doc_id, text, url), code(doc_id, text, stars)
    ->  doc_id, text, url, stars, _source, _doc_id, _domain, _tokens, _copy
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recipec.inputs import scans
from recipec.ir import logical, paths, shapes
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
    taken = {name.lower() for source in op.sources for name, _ in source.schema_}  # as in SQL
    last = "copy" if op.output.copies == "rows" else "copies"
    words = ("source", "doc_id", "domain", "tokens", last)
    prefix = "_"
    while any(prefix + word in taken for word in words):
        prefix += "_"
    return Provenance(*(prefix + word for word in words))


def columns_of(op: logical.Write) -> dict[str, tuple[str, ...]]:
    """For each source, the columns that go into the dataset, in their order in the dataset."""
    chosen = frozenset(op.output.columns)
    return {
        source.name: tuple(name for name, _ in source.schema_ if not chosen or name in chosen) for source in op.sources
    }


def columns_in(op: logical.Write, shard: Shard) -> tuple[str, ...]:
    """The dataset's columns that a shard has, in it or in the names of its folders; a shard may lack some."""
    own = {name for name, _ in shard.schema_} | {name for name, _ in scans.partition_names(shard.path)}
    return tuple(name for name in columns_of(op)[shard.source] if name in own)


def with_text(op: logical.Write, source: str, own: shapes.Columns) -> shapes.Columns:
    """Columns of a shard in which the text of the source is text: rows with anything else in its place are not drawn."""
    text = next(one.text for one in op.sources if one.name == source)
    return shapes.with_text(own, paths.parts(text))


def united(op: logical.Write) -> tuple[str, ...]:
    """The names of the dataset's own columns: as chosen, or all in order of first appearance in the sources."""
    per_source: Sequence[Sequence[str]] = tuple(columns_of(op).values())
    return tuple(dict.fromkeys(op.output.columns or tuple(name for source in per_source for name in source)))


def written(names: Sequence[str]) -> tuple[str, ...]:
    """The names of columns in files that cannot tell those apart that differ only in case: later ones get a number."""
    taken: set[str] = set()
    result = []
    for name in names:
        number, new = 1, name or "_"
        while new.lower() in taken or (number > 1 and new in names):
            new, number = f"{name}_{number}", number + 1
        taken.add(new.lower())
        result.append(new)
    return tuple(result)
