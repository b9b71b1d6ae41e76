"""Progress on stderr: one bar per task on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from recipec.progress import Progress, silent

QUIET_SECONDS = 2.0
"""Minimum time in seconds between progress lines; shorter work prints none."""


@contextlib.contextmanager
def progress(quiet: bool = False) -> Iterator[Progress]:
    """A `Progress` that draws on stderr while the block runs."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with terminal_bars() as report:
            yield report
    else:
        yield line_reporter()


@contextlib.contextmanager
def terminal_bars() -> Iterator[Progress]:
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from recipec.cli import streams
    from recipec.cli.console import stderr

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # Anew, because the bars put streams of their own, which know colours, in the place of the guarded ones.
    with Bars(*columns, console=stderr(), transient=True) as bars, streams.guarded():
        tasks: dict[str, TaskID] = {}

        def report(task: str, done: float, total: float, unit: str) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(task, total=total, unit=unit)
            bars.update(tasks[task], completed=done, total=total, unit=unit)
            if done >= total:
                bars.remove_task(tasks.pop(task))

        yield report


def line_reporter() -> Progress:
    started = last = time.monotonic()

    def report(task: str, done: float, total: float, unit: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= QUIET_SECONDS:
            last = now
            share = f" ({done / total:.0%})" if total else ""
            print(f"{task}: {done:,.0f} of {total:,.0f} {unit}{share}, {now - started:.0f} s", file=sys.stderr)

    return report
