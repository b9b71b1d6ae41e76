"""Engine `local`: threads of this machine for DuckDB, processes for work in Python."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

from duckdb import DuckDBPyConnection

from recipec import spec
from recipec.execution.tasks import Workplace, perform
from recipec.inputs import reading
from recipec.ir import logical
from recipec.ir.task import ReadTask, ScoreTask, Task
from recipec.spec import Engine

WORTH = 4.0
"""Seconds of computation from which separate processes are started: starting them takes most of a second."""


class Processes:
    """Processes of this machine, started on first use.

    Not the standard library's pool, which imports the caller's main module again in every process.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: Any = None  # from loky, which has no types
        self._starting = threading.Lock()
        self._ended = False

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Like `Executor.submit`."""
        from loky import ProcessPoolExecutor

        with self._starting:
            if self._ended:
                raise BrokenExecutor("the processes were ended")
            if self._pool is None:
                self._pool = ProcessPoolExecutor(self._count, initializer=_end_with, initargs=(os.getpid(),))
            future: Future[Any] = self._pool.submit(function, *arguments)
        return future

    def allow(self) -> None:
        """Lets `submit` start processes again after `kill`."""
        self._ended = False

    def kill(self) -> None:
        """Ends the processes, whatever they are doing, and starts no others: a task that is still running then ends too."""
        with self._starting:
            pool, self._pool, self._ended = self._pool, None, True
        if pool is not None:
            pool.shutdown(wait=False, kill_workers=True)


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent ends, even if the parent was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@dataclass(slots=True)
class Local:
    """Runs tasks concurrently on this machine.

    Attributes:
        processes: for work in Python.
        worth: seconds of computation from which processes are used.
        cursors: the cursors of the running tasks, for interrupting them.
    """

    place: Workplace
    processes: Processes
    worth: float = WORTH
    cursors: set[DuckDBPyConnection] = field(default_factory=set)

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        """Performs tasks and yields each when its results exist (see `execution.tasks.Runner`)."""
        reads = [task for task in tasks if isinstance(task, ReadTask)]
        for op in {id(task.op): task.op for task in reads}.values():
            yield from self._read(op, [task for task in reads if task.op is op])
        tasks = [task for task in tasks if not isinstance(task, ReadTask)]
        if not tasks:
            return
        self.processes.allow()
        submit = self.processes.submit if self.place.threads > 1 and cost(tasks) > self.worth else here
        with ThreadPoolExecutor(max(1, min(self.place.threads, len(tasks)))) as threads:
            futures = {threads.submit(self._perform, task, submit): task for task in tasks}
            try:
                yield from self._finished(futures)
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                for cursor in tuple(self.cursors):
                    cursor.interrupt()
                self.processes.kill()
                raise

    def _read(self, op: logical.Read, tasks: Sequence[ReadTask]) -> Iterator[Task]:
        """Reads shards of one source: one query reads many small ones, which separate tasks could not do."""
        place = self.place
        destinations = [place.root / task.results[0] for task in tasks]
        told = 0
        for done in reading.read_many(
            place.connection, op, [task.shard for task in tasks], place.folder, place.root, destinations
        ):
            yield from tasks[told:done]
            told = done
        yield from tasks[told:]

    def _finished(self, futures: dict[Future[None], Task]) -> Iterator[Task]:
        for future in as_completed(futures):
            if future.exception() is not None:
                # Whichever task fails first in time, the first one in order is reported.
                for earlier in futures:
                    earlier.result()
            yield futures[future]

    def _perform(self, task: Task, submit: Callable[..., Future[Any]]) -> None:
        with self.place.connection.cursor() as cursor:
            self.cursors.add(cursor)
            try:
                perform(task, replace(self.place, connection=cursor), submit)
            finally:
                self.cursors.discard(cursor)


def cost(tasks: Sequence[Task]) -> float:
    """The approximate seconds of work in Python for tasks, on one core."""
    seconds = 0.0
    for task in tasks:
        if isinstance(task, ScoreTask):
            found = [spec.find("criteria", op.call.function) for op in task.ops]
            seconds += task.shard.bytes / 1e6 * sum(one.cost for one in found if one.batch is not None)
    return seconds


def here(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Computes immediately, in this process."""
    future: Future[Any] = Future()
    future.set_result(function(*arguments))
    return future


@contextlib.contextmanager
def open_local(place: Workplace, worth: float = WORTH) -> Iterator[Local]:
    """Opens the engine, and ends it when the block ends."""
    processes = Processes(place.threads)
    try:
        yield Local(place, processes, worth)
    finally:
        processes.kill()


SPEC = Engine(
    name="local",
    summary="threads and processes of this machine",
    open=open_local,
)
