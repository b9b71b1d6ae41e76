"""How long work tells of itself: events out of the core, drawn by the command line.

The core never prints. A `Progress` is called with what is being done, how much of it is done and how much there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    def __call__(self, task: str, done: float, total: float, unit: str) -> None:
        """`task` names the step ("read web"), `done` of `total` are in `unit` ("shards", "bytes", "documents")."""


def silent(task: str, done: float, total: float, unit: str) -> None:
    """A `Progress` for callers that show nothing."""


def counted(progress: Progress, task: str, total: int) -> tuple[Callable[[], int], Callable[[int], None]]:
    """Progress over documents that come in batches: what ends it and returns their number, and what counts them."""
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
