"""Which of the readable documents pass the clauses of a recipe: the pool, as a mask over stored columns.

The columns do not depend on clauses, so that after a changed threshold only this is worked out anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.database import session
from recipec.ir import logical
from recipec.ir.selection import Reason
from recipec.places import local, sealed
from recipec.selection.columns import Columns, Layout, masked
from recipec.selection.statistics import statistics_of
from recipec.selection.storing import ranges

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MASK = "passing.bin"
"""The file of the mask, a bit per document; it is missing if all pass."""


def rejections(connection: DuckDBPyConnection, queries: Iterable[str], columns: Columns, clauses: int) -> Array:
    """For each document of some columns (n,) the place of the clause that rejects it, from 1; 0 if none does.

    Args:
        queries: SQL of `number` and `clause` of rejected documents, and perhaps of unreadable ones.
        clauses: how many there are.
    """
    numbers = columns["number"]
    found = np.zeros(int(numbers.max()) + 1 if len(numbers) else 0, np.min_scalar_type(clauses))
    for query in queries:
        rows = connection.execute(query).fetchnumpy()
        known = rows["number"] < len(found)
        found[rows["number"][known]] = rows["clause"][known]
    return found[numbers]


def store(
    connection: DuckDBPyConnection,
    op: logical.Rank,
    columns: Columns,
    rejected: Array,
    texts: Sequence[str],
    folder: Path,
) -> Columns:
    """Writes the mask of the documents that pass, and returns the pool that it leaves, with its statistics.

    Args:
        rejected: (n,) the place of the clause that rejects a document in `texts`, from 1, or 0.
    """
    local.make_folder(folder)
    passing = rejected == 0
    if passing.all():
        pool = columns
    else:
        with sealed.replacing(folder / MASK) as temporary:
            np.packbits(passing).tofile(temporary)
        pool = masked(columns, _layout(columns, rejected, texts), passing, folder)
    names = [name for name, _ in op.criteria]
    with ThreadPoolExecutor(session.threads(connection)) as workers:
        stats = tuple(workers.map(statistics_of, names, map(pool.score, range(len(names)))))
    return Columns(pool.layout.model_copy(update={"stats": stats}), pool.values)


def opened(columns: Columns, layout: Layout, folder: Path) -> Columns:
    """The stored pool of some columns.

    Raises:
        Damaged: the mask is damaged or gone.
    """
    if layout.rows == columns.layout.rows:
        return Columns(layout, columns.values)
    sealed.check([folder / MASK])
    packed = np.fromfile(folder / MASK, np.uint8)
    passing = np.unpackbits(packed, count=columns.layout.rows).view(bool)
    return masked(columns, layout, passing, folder)


def _layout(columns: Columns, rejected: Array, texts: Sequence[str]) -> Layout:
    layout = columns.layout
    starts = np.array([domain.start for domain in layout.domains], np.int64)
    counts = np.add.reduceat(rejected == 0, starts, dtype=np.int64)
    sizes = {domain.name: int(count) for domain, count in zip(layout.domains, counts, strict=True) if count}
    filtered = [*_filtered(columns, rejected, starts, texts), *layout.rejected]
    filtered.sort(key=lambda one: (one.domain, one.reason, one.rejected_by or ""))
    return layout.model_copy(
        update={"rows": sum(sizes.values()), "domains": ranges(sizes), "rejected": tuple(filtered)}
    )


def _filtered(columns: Columns, rejected: Array, starts: Array, texts: Sequence[str]) -> Iterator[Reason]:
    """The counts of the documents that clauses reject, by domain."""
    for place, text in enumerate(texts, start=1):
        mine = rejected == place
        counts = np.add.reduceat(mine, starts, dtype=np.int64)
        for number in np.flatnonzero(counts).tolist():
            domain = columns.layout.domains[number]
            inside = slice(domain.start, domain.stop)
            tokens = columns["tokens"][inside][mine[inside]].astype(np.uint64)
            # Summed in halves, so that no sum overflows.
            high, low = (int(half.sum()) for half in (tokens >> np.uint64(32), tokens & np.uint64(0xFFFFFFFF)))
            yield Reason(
                domain=domain.name,
                reason="filtered",
                rejected_by=text,
                documents=int(counts[number]),
                tokens=(high << 32) + low,
            )
