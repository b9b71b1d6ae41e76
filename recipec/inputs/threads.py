"""Work on many files at once, in threads: DuckDB, hashing and the disk all work without Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def each(function: Callable[[Item], Found], items: Sequence[Item], threads: int) -> Iterator[Found]:
    """What a function gives for each item, in their order.

    The first failure in that order is raised, whichever came first in time; what has not begun by then never does.
    """
    if min(threads, len(items)) <= 1:
        # An interrupt reaches this thread only, and what one item takes may be long.
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(min(threads, len(items)))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
