"""Timings of the operations of a run, for the estimates of the next plan."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from recipec.ir import logical
from recipec.ir.task import ScoreTask, Task
from recipec.planning import costs
from recipec.planning.costs import Measured


@dataclass(slots=True)
class Rates:
    """Timings of the operations of a run, for the estimates of the next plan."""

    measured: list[Measured] = field(default_factory=list)

    @contextlib.contextmanager
    def timed(self, work: float, *ops: logical.Op) -> Iterator[None]:
        """Records the time of the block for operations that ran together, each with `work` units of work."""
        started = time.monotonic()
        yield
        self.add(time.monotonic() - started, [(op, work) for op in ops])

    @contextlib.contextmanager
    def scanned(self, tasks: Sequence[Task]) -> Iterator[None]:
        """Records the time of the block for the operations of tasks, each with the work of the tasks that contain it."""
        started = time.monotonic()
        yield
        ops: dict[int, logical.Op] = {}
        work: dict[int, float] = defaultdict(float)
        for task in tasks:
            for op in task.ops if isinstance(task, ScoreTask) else (task.op,):
                ops[id(op)] = op
                work[id(op)] += costs.work(op, task.shard.rows, task.shard.bytes)
        self.add(time.monotonic() - started, [(op, work[key]) for key, op in ops.items()])

    def add(self, seconds: float, parts: Sequence[tuple[logical.Op, float]]) -> None:
        """Records the time that operations, each with its units of work, took together."""
        self.measured += costs.split(seconds, parts)
