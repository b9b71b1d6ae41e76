"""How long work tells of itself: events out of the core, drawn by the command line.

The core never prints. A `Progress` is called with what is being done, how much of it is done and how much there is.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def __call__(self, task: str, done: float, total: float, unit: str) -> None:
        """`task` names the step ("read web"), `done` of `total` are in `unit` ("shards", "bytes", "documents")."""


def silent(task: str, done: float, total: float, unit: str) -> None:
    """A `Progress` for callers that show nothing."""
