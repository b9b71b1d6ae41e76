"""Work on many files concurrently, in threads: DuckDB, hashing and disk access all release Python's GIL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def each(function: Callable[[Item], Found], items: Sequence[Item], threads: int) -> Iterator[Found]:
    """The result of a function for each item, in order.

    Raises the first failure in that order, whichever came first in time; items not started by then are never started.
    """
    if min(threads, len(items)) <= 1:
        # An interrupt reaches only this thread, and one item may take long.
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(min(threads, len(items)))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
