"""`recipec plan --engine inline`: tasks one after another, here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from recipec.execution.tasks import Workplace, perform
from recipec.ir.task import Task
from recipec.spec import Engine


def submit(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    done: Future[Any] = Future()
    done.set_result(function(*arguments))
    return done


@dataclass
class Inline:
    place: Workplace

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        for task in tasks:
            perform(task, self.place, submit)
            print(f"inline: {task.kind}", file=sys.stderr)
            yield task


@contextlib.contextmanager
def open_inline(place: Workplace) -> Iterator[Inline]:
    yield Inline(place)


SPEC = Engine(name="inline", summary="tasks one after another, here", open=open_inline)
