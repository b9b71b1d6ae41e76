"""The times that operations took in earlier runs on this machine, and robust estimates from them.

The state folder has a bounded history for each operation and setting: units of work and seconds. The estimate is a line,
`fixed + rate · work`, so that a run of ten documents, which is nearly all fixed time, says little about ten million. Its
misfit is the sum of |log(estimated / observed)|, so that a run counts the same whether it took a second or an hour, and so
that the line passes through the middle of the observations, not their mean. The built-in line is a weak observation of both
its parts: it decides what the observations leave open.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from recipec.ir.expressions import Frozen
from recipec.places.state import Store

NOTE = "rates"
"""The name of the note with the histories."""

KEPT = 30
"""The number of observations in a history: the last ones."""

HISTORIES = 200
"""The number of histories: those observed last."""

SHORTEST = 1e-6
"""The least seconds of an observation: clocks have a resolution."""

TRUST, CAUTION = 0.02, 0.2
"""The weights of each part of the built-in line, in observations: among works that were observed, and for the rate beyond
them, which the noise of some short runs would decide otherwise. One observation outweighs both parts."""

OFF = 3.0
"""An observation that is off by a larger factor counts like one that is off by this: the machine was busy."""

COMPARABLE = 10.0
"""Observations whose works differ by less than this factor can contradict each other."""


class Observation(Frozen):
    """Units of work (rows, bytes or texts) and the seconds they took."""

    work: Annotated[float, Field(ge=1, le=1e18)]
    seconds: Annotated[float, Field(ge=SHORTEST, le=1e9)]


class History(Frozen):
    """The last observations of an operation in a setting, oldest first."""

    operation: str
    setting: str
    observations: Annotated[tuple[Observation, ...], Field(min_length=1, max_length=KEPT)]


class Histories(Frozen):
    """The content of the note. What was observed last is at the end."""

    version: Literal[2] = 2
    histories: Annotated[tuple[History, ...], Field(max_length=HISTORIES)] = ()


Point = tuple[float, float]
"""Work and seconds."""


class Line(NamedTuple):
    """Seconds as a function of work; both parts are positive, or both zero for what takes no time."""

    fixed: float
    rate: float

    def seconds(self, work: float) -> float:
        """The estimated seconds of some work."""
        return self.fixed + self.rate * work


class Fit(NamedTuple):
    """A line up to the largest work that was observed, and a rate beyond it."""

    line: Line
    until: float
    beyond: float

    def seconds(self, work: float) -> float:
        """The estimated seconds of some work."""
        return self.line.seconds(min(work, self.until)) + self.beyond * max(0.0, work - self.until)


def load(store: Store) -> Histories:
    """The stored histories; none if they are missing, damaged, or those of another version."""
    return store.note(NOTE, Histories) or Histories()


def keep(store: Store, measured: Sequence[History]) -> None:
    """Adds observations to the stored histories. That it fails is no reason for a run to fail."""
    if measured:
        with contextlib.suppress(OSError):
            store.keep_note(NOTE, added(load(store), measured).model_dump(mode="json"))


def added(histories: Histories, measured: Sequence[History]) -> Histories:
    """The histories with further observations, without the oldest."""
    every = {(one.operation, one.setting): one.observations for one in histories.histories}
    for one in measured:
        key = (one.operation, one.setting)
        every[key] = (*every.pop(key, ()), *one.observations)[-KEPT:]
    last = list(every.items())[-HISTORIES:]
    found = tuple(History(operation=key[0], setting=key[1], observations=those) for key, those in last)
    return Histories(histories=found)


def observed(histories: Histories, operation: str, setting: str) -> tuple[Observation, ...]:
    """The observations of an operation in a setting; if there are none, those in the other settings used last."""
    mine = [one for one in histories.histories if one.operation == operation]
    exact = [one for one in mine if one.setting == setting]
    return tuple(observation for one in exact or mine for observation in one.observations)[-KEPT:]


def fit(observations: Sequence[Observation], assumed: Line) -> Fit:
    """The line that fits best, which passes through an observation; the assumed line if there are none.

    The order of the observations does not matter. With work in other units, or times of a machine that is slower by some
    factor (and an assumed line that says so), the estimates are the same, or slower by that factor.

    Args:
        assumed: the line without any observation; both its parts are positive.
    """
    points = sorted((one.work, one.seconds) for one in observations)
    if not points:
        return Fit(assumed, 0.0, assumed.rate)
    # Only an observation that others could contradict may be taken for one of a busy machine.
    bounded = [
        (work, seconds, OFF if sum(_are_comparable(work, other) for other, _ in points) > 2 else math.inf)
        for work, seconds in points
    ]
    found = [(_misfit(line, bounded), _unlike(line, assumed), line) for line in _candidates(points, assumed)]
    line, cautious = (
        min((misfit + trust * unlike, line) for misfit, unlike, line in found)[1] for trust in (TRUST, CAUTION)
    )
    return Fit(line, points[-1][0], cautious.rate)


def _misfit(line: Line, bounded: Sequence[tuple[float, float, float]]) -> float:
    """The sum of |log(estimated / observed)| over observations of work and seconds, each with the largest ratio."""
    product = 1.0
    for work, seconds, most in bounded:
        ratio = line.seconds(work) / seconds
        product *= min(most, ratio if ratio > 1 else 1 / ratio)
    return math.log(product)


def _unlike(line: Line, assumed: Line) -> float:
    return abs(math.log(line.fixed / assumed.fixed)) + abs(math.log(line.rate / assumed.rate))


def _are_comparable(one: float, other: float) -> bool:
    return max(one, other) <= COMPARABLE * min(one, other)


def _candidates(points: Sequence[Point], assumed: Line) -> Iterator[Line]:
    """The lines through two observations, and those through one with a part of the assumed line, or with its shape."""
    for work, seconds in points:
        slower = seconds / assumed.seconds(work)
        yield Line(assumed.fixed * slower, assumed.rate * slower)
        if seconds > assumed.fixed:
            yield Line(assumed.fixed, (seconds - assumed.fixed) / work)
        if seconds > assumed.rate * work:
            yield Line(seconds - assumed.rate * work, assumed.rate)
    for (work, seconds), (more, longer) in combinations(points, 2):
        if more > work:
            rate = (longer - seconds) / (more - work)
            if rate > 0 and seconds > rate * work:
                yield Line(seconds - rate * work, rate)
