"""What a task does, wherever it is run: an engine on any machine calls `perform`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from duckdb import DuckDBPyConnection

from recipec.inputs import reading
from recipec.ir.task import ReadTask, ScoreTask, Task
from recipec.scoring import by_text

Submit = Callable[..., "Future[Any]"]
"""As `concurrent.futures.Executor.submit`: for what Python computes."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where tasks find what they name.

    Attributes:
        connection: of DuckDB, with the limits and guards of the run.
        root: the state folder, in which results have their names.
        folder: from which the paths of shards, targets and tokenizers start.
        threads: how many tasks, or parts of one, may be computed at once.
    """

    connection: DuckDBPyConnection
    root: Path
    folder: Path
    threads: int


class Runner(Protocol):
    """An engine at work."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        """Performs tasks and gives each back when its results are there, in any order.

        Raises:
            Failure: of the first task, in their order, that has failed; the others may or may not have been performed.
        """


def perform(task: Task, place: Workplace, submit: Submit) -> None:
    """Makes the results of a task that are not there yet.

    Raises:
        Failure: what the task reads cannot be read.
    """
    if all((place.root / name).is_file() for name in task.results):
        return
    match task:
        case ReadTask():
            destinations = [place.root / task.results[0]]
            for _ in reading.read_many(place.connection, task.op, [task.shard], place.folder, destinations):
                pass
        case ScoreTask():
            by_text.score(place.connection, task, place.folder, place.root, submit)
