"""The pool as columns of numbers: all that a selection depends on, in files that are mapped into memory.

Documents are in the order of (domain, draw), so that a domain is a range and "the documents with a draw below x" is the
first part of it. The files are made once per set of documents, scores and seed (`selection.storing`); the rules of a
recipe are then applied to them by `selection.kernel`.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipec.arrays import Array
from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.ir.selection import Reason, Stats
from recipec.places import sealed

ROWS = 1 << 20
"""Documents that are copied at a time."""

LARGE = 1 << 28
"""The bytes of a column from which a part of it is not held in memory."""


class DomainRange(Frozen):
    """The documents `start` to `stop` (exclusive) are those of a domain."""

    name: str
    start: closed.Count
    stop: closed.Count


class Layout(Frozen):
    """What is known of stored columns besides their values.

    Attributes:
        rows: documents in the pool; `candidates`: rows read, unreadable and filtered ones included.
        domains: sorted by name.
        stats: of each criterion, over the pool, in the order of the columns.
        rejected: the counts of the candidates that are not in the pool.
        columns: the name and the numpy type of each file.
    """

    rows: closed.Count
    candidates: closed.Count
    domains: tuple[DomainRange, ...]
    stats: tuple[Stats, ...]
    rejected: tuple[Reason, ...]
    columns: tuple[tuple[closed.Word, closed.Word], ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a pool of n documents.

    Attributes:
        values: per name an array (n,): `tokens`; `draw`, u in (0, 1), ascending within a domain; `number`, the row of the
            candidates that the document is; `score_0`, `score_1`, …, raw
            values, NaN where missing; and where a recipe needs them `nest` (bits of nested quotas), `cap` (the
            document's own repetition limit, infinite for none) and `place` (its place in the order of source and id).
    """

    layout: Layout
    values: Mapping[str, Array]

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(domain.name for domain in self.layout.domains)

    def __getitem__(self, name: str) -> Array:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def score(self, number: int) -> Array:
        """The raw values (n,) of a criterion."""
        return self.values[f"score_{number}"]


def opened(folder: Path, layout: Layout) -> Columns:
    """Maps stored columns into memory, read-only.

    Raises:
        Damaged: a file is damaged or gone.
    """
    # An empty file cannot be mapped.
    files = {name: folder / f"{name}.bin" for name, _ in layout.columns} if layout.rows else {}
    sealed.check(list(files.values()))
    values: dict[str, Array] = {}
    for name, type_ in layout.columns:
        if layout.rows:
            mapped = np.memmap(files[name], dtype=type_, mode="r", shape=(layout.rows,))
            # A plain array of the same memory: slices of a `memmap` are slow to make.
            values[name] = mapped.view(np.ndarray)
        else:
            values[name] = np.empty(0, type_)
    return Columns(layout, values)


def masked(columns: Columns, layout: Layout, passing: Array, folder: Path, large: int = LARGE) -> Columns:
    """Some of the documents of columns, in their order.

    Args:
        layout: what is known of them; `passing`: (n,) which they are; `folder`: for files without a name.
        large: the bytes of a column from which what is taken of it lies in such a file.
    """
    return Columns(layout, _Masked(columns.values, passing, layout.rows, folder, large))


class _Masked(Mapping[str, Array]):
    """Columns without the documents outside a mask. The first use of one takes all, in threads; large ones lie in files that
    have no names, so that the system may free their memory."""

    def __init__(self, values: Mapping[str, Array], passing: Array, rows: int, folder: Path, large: int) -> None:
        self._values, self._passing, self._rows, self._folder, self._large = values, passing, rows, folder, large
        self._taken: dict[str, Future[Array]] = {}
        self._taking = threading.Lock()

    def __getitem__(self, name: str) -> Array:
        with self._taking:
            if not self._taken:
                workers = ThreadPoolExecutor(os.cpu_count() or 1)
                self._taken = {key: workers.submit(self._take, values) for key, values in self._values.items()}
                workers.shutdown(wait=False)
        return self._taken[name].result()

    def _take(self, values: Array) -> Array:
        if values.nbytes < self._large or not self._rows:
            taken: Array = values[self._passing]
            return taken
        with tempfile.TemporaryFile(dir=self._folder) as file:
            for start in range(0, len(values), ROWS):
                _part(values, start)[self._passing[start : start + ROWS]].tofile(file)
            file.flush()
            return np.memmap(file, dtype=values.dtype, mode="r", shape=(self._rows,)).view(np.ndarray)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _part(values: Array, start: int) -> Array:
    """Some values of a column, of a mapped one without its pages in memory."""
    if isinstance(values.base, np.memmap) and values.base.filename is not None:
        count = min(ROWS, len(values) - start)
        found: Array = np.fromfile(values.base.filename, values.dtype, count, offset=start * values.itemsize)
        return found
    return values[start : start + ROWS]


def smallest(most: int) -> str:
    """The smallest unsigned integer type that holds a number."""
    return next(name for name in ("uint8", "uint16", "uint32", "uint64") if most <= np.iinfo(name).max)
