"""Kills: at random, and before every rename, removal and flush of a command.

In between what a command writes is absent, or wholly the old one or wholly the new one; after it has run again it has
the bytes that an undisturbed run writes. What a killed process leaves beside it is counted, not wrong.
"""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaign import world
from tests.campaign.dying import Ended, Order
from tests.campaign.works import WORKS, Work
from tests.campaign.world import Figures, Machine

MOST = 6
"""The kills of one trial; then the command may run to its end."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A command, ready to be killed in a folder that is always the same one: datasets name it.

    Attributes:
        start: a copy of the folder from which it starts.
        old, new: what is at the destination before and after; empty for nothing.
        moments, seconds: those of an undisturbed run.
    """

    work: Work
    machine: Machine
    folder: Path
    start: Path
    old: dict[str, str]
    new: dict[str, str]
    moments: int
    seconds: float

    @property
    def destination(self) -> Path:
        return self.folder / self.work.destination

    def run(self, **more: Any) -> Ended:
        return run(self.work, self.machine, self.folder, **more)

    def reset(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.start, self.folder)

    def torn(self) -> str:
        """What is wrong with what is at the destination now; "" if nothing."""
        found = self.work.seen(self.folder)
        if not found:
            return "" if not self.old else "what was there is gone"
        if found in (self.old, self.new) or (self.work.parts and self._whole_parts(found)):
            return ""
        return f"torn: {_difference(found, self.new)}"

    def _whole_parts(self, found: dict[str, str]) -> bool:
        """Whether each dataset of several is absent or whole; a folder that is being written is no dataset."""
        names = {name.split("/")[0] for name in found if not name.startswith(".")}
        return all(_below(found, name) == _below(self.new, name) for name in names)

    def left(self) -> int:
        """The number of temporary files and folders beside the destination."""
        return sum(path.name.startswith(".") and path.name != ".recipec" for path in self.destination.parent.iterdir())


def _below(files: dict[str, str], name: str) -> dict[str, str]:
    return {path: digest for path, digest in files.items() if path.split("/")[0] == name}


def _difference(found: dict[str, str], wanted: dict[str, str]) -> str:
    names = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return ", ".join(names[:5])


def run(work: Work, machine: Machine, folder: Path, **more: Any) -> Ended:
    environment = {name: value.format(folder) for name, value in work.environment.items()}
    return machine.run(Order(work.words, str(folder), environment, **more))


def made(work: Work, machine: Machine, root: Path) -> Stand:
    """A stand, after one undisturbed run."""
    folder, start = root / "here", root / "start"
    folder.mkdir(parents=True)
    work.make(folder, machine)
    shutil.copytree(folder, start)
    old = work.seen(folder)
    begun = time.monotonic()
    ended = run(work, machine, folder)
    seconds = time.monotonic() - begun
    assert ended.code == 0, f"{work.name} does not run: {ended.err}"
    new = work.seen(folder)
    assert new not in ({}, old), f"{work.name} writes nothing"
    return Stand(work, machine, folder, start, old, new, ended.moments, seconds)


def trial(stand: Stand, first: int, chance: random.Random, figures: Figures) -> None:
    """Kills a command before a moment (0: at a random time), then some times more at random, then lets it end."""
    stand.reset()
    what = f"{stand.work.name}, killed before moment {first} of {stand.moments}" if first else stand.work.name
    for number in range(chance.randint(1, MOST)):
        after = chance.uniform(0.0, stand.seconds)
        killed = stand.run(kill_before=first) if first and not number else stand.run(kill_after=after)
        if killed.code != -signal.SIGKILL:
            figures.check(what, world.fault_of(killed) or (world.said(killed) if killed.code else ""))
            break
        by = "moment" if first and not number else "time"
        figures.count(f"{stand.work.name}: kills by {by}")
        figures.check(f"{what}, kill {number + 1} ({by}, {after:.3f} s)", stand.torn())
    ended = stand.run()
    figures.check(f"{what}, run again", world.fault_of(ended) or (world.said(ended) if ended.code else ""))
    found = stand.work.seen(stand.folder)
    figures.check(f"{what}, run again", "" if found == stand.new else f"other bytes: {_difference(found, stand.new)}")
    figures.count(f"{stand.work.name}: ended with the same bytes", found == stand.new)
    if left := stand.left():
        figures.count(f"{stand.work.name}: left beside (not wrong)", left)


def moments_of(count: int, number: int, pieces: int, size: int | None) -> Sequence[int]:
    """The moments of one piece: all, or `size` in all pieces, spread over all of them."""
    chosen = range(1, count + 1)
    if size is None or count <= size:
        return chosen[number::pieces]
    return sorted({chosen[round(at * (count - 1) / max(1, size - 1))] for at in range(size)})[number::pieces]


def piece(number: int, pieces: int, size: int | None = None, names: Sequence[str] = ()) -> Figures:
    """Some moments of every command, and half as many trials at random.

    Args:
        size: the most moments of each command in all pieces; None for all.
        names: only these commands; none for all.
    """
    figures = Figures()
    chance = random.Random(f"kills {number} {pieces}")
    with ExitStack() as stack:
        machines = {heavy: stack.enter_context(Machine(heavy)) for heavy in (False, True)}
        for work in WORKS:
            if names and work.name not in names:
                continue
            stand = made(work, machines[work.heavy], stack.enter_context(world.scratch()))
            chosen = moments_of(stand.moments, number, pieces, size)
            for first in (*chosen, *[0] * (-(-len(chosen) // 2))):
                trial(stand, first, chance, figures)
    return figures
