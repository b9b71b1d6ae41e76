"""Performs tasks: an engine on any machine calls `perform`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from duckdb import DuckDBPyConnection

from recipec.inputs import reading
from recipec.ir.task import ReadTask, ScoreTask, Task
from recipec.places import sealed
from recipec.scoring import by_text

Submit = Callable[..., "Future[Any]"]
"""Like `concurrent.futures.Executor.submit`, for work in Python."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """The environment in which tasks resolve names.

    Attributes:
        connection: the DuckDB connection, with the limits and restrictions of the run.
        root: the state folder, to which names of results are relative.
        folder: the folder against which paths of shards, targets and tokenizers are resolved.
        threads: the number of tasks, or parts of one, that may be computed concurrently.
    """

    connection: DuckDBPyConnection
    root: Path
    folder: Path
    threads: int


class Runner(Protocol):
    """A running engine."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        """Performs tasks and yields each when its results exist, in any order.

        Raises:
            Failure: that of the first failed task in order; the others may or may not have been performed.
        """


def perform(task: Task, place: Workplace, submit: Submit) -> None:
    """Computes the results of a task that do not exist yet.

    Raises:
        Failure: an input of the task cannot be read.
    """
    if all(sealed.is_stored(place.root / name) for name in task.results):
        return
    match task:
        case ReadTask():
            destinations = [place.root / task.results[0]]
            for _ in reading.read_many(place.connection, task.op, [task.shard], place.folder, place.root, destinations):
                pass
        case ScoreTask():
            by_text.score(place.connection, task, place.folder, place.root, submit)
