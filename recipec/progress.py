"""Progress events of long-running work, and notes about it: sent by the core, shown by the command line.

The core never prints. It calls a `Progress` with the name of the task, the amount done and the total.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol


class Progress(Protocol):
    def __call__(self, task: str, done: float, total: float, unit: str) -> None:
        """`task` names the step ("read web"), `done` of `total` are in `unit` ("shards", "bytes", "documents")."""


def silent(task: str, done: float, total: float, unit: str) -> None:
    """A `Progress` that shows nothing."""


def counted(progress: Progress, task: str, total: int) -> tuple[Callable[[], int], Callable[[int], None]]:
    """Progress over documents that arrive in batches.

    Returns:
        a function that ends the task and returns the number of documents, and one that counts a batch.
    """
    seen = 0

    def count(documents: int) -> None:
        nonlocal seen
        seen += documents
        progress(task, min(seen, total), total, "documents")

    def end() -> int:
        if seen:
            progress(task, total, total, "documents")
        return seen

    return end, count


_LISTENERS: list[Callable[[str], None]] = []


def note(words: str) -> None:
    """Says what happened to files that a command needs and can make again; it goes on."""
    for listener in _LISTENERS:
        listener(words)


@contextlib.contextmanager
def noting(listener: Callable[[str], None]) -> Iterator[None]:
    """Calls `listener` with every note while the block runs."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)
