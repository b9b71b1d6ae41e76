"""Errors of a law on held-out runs, reported separately by size, by repetition and by recipe.

by size: fitted on the smaller models, tested on the largest. by repetition: fitted on the less repeated runs, tested
on the most repeated. by recipe: each recipe (or fold of recipes) left out once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from recipec.arrays import Array
from recipec.laws.form import Law
from recipec.laws.lawfile import Errors
from recipec.laws.runs import Runs
from recipec.laws.tables import Table
from recipec.progress import Progress, silent

FOLDS = 5
HELD_OUT = 0.25
"""Maximum share of the runs that a split by size or repetition holds out."""

Index: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.intp]]
Split: TypeAlias = tuple[Index, Index]


Refit: TypeAlias = Callable[[Runs], Array]
"""Fits the runs of a training part and returns theta, by the same method as the fit on all runs."""


def errors_of(law: Law, table: Table, theta: Array, refit: Refit, progress: Progress = silent) -> tuple[Errors, ...]:
    """In-sample errors of `theta`, then held-out errors of every split that the runs allow.

    A split whose training part has no more runs than the law has parameters is left out.
    """
    result = [summary("in-sample", table.runs, law.loss(theta, table.runs))]
    for name, splits in (
        ("size", list(above(table.runs.params))),
        ("repetition", list(above(table.runs.repetition))),
        ("recipe", list(by_group(table.recipes))),
    ):
        usable = [(train, test) for train, test in splits if len(train) > len(law.parameters)]
        if usable:
            predicted = []
            for done, (train, test) in enumerate(usable):
                progress(f"held out by {name}", done, len(usable), "fits")
                predicted.append(law.loss(refit(table.runs.take(train)), table.runs.take(test)))
            progress(f"held out by {name}", len(usable), len(usable), "fits")
            tests = np.concatenate([test for _, test in usable])
            result.append(summary(name, table.runs.take(tests), np.concatenate(predicted)))
    return tuple(result)


def above(values: Array) -> Iterator[Split]:
    """Splits off the largest values: as many top levels as hold at most a quarter of the runs, else the highest."""
    levels = np.unique(values)
    if len(levels) < 2:
        return
    threshold = levels[-1]
    for level in levels[::-1]:
        if level == levels[0] or (values >= level).mean() > HELD_OUT:
            break
        threshold = level
    yield np.flatnonzero(values < threshold), np.flatnonzero(values >= threshold)


def by_group(names: tuple[str, ...]) -> Iterator[Split]:
    """Splits recipes into five folds (fewer if there are fewer recipes), each left out once."""
    _, label = np.unique(names, return_inverse=True)
    count = label.max() + 1
    if count < 2:
        return
    for fold in range(min(FOLDS, count)):
        inside = label % FOLDS == fold
        yield np.flatnonzero(~inside), np.flatnonzero(inside)


def summary(split: str, runs: Runs, predicted: Array) -> Errors:
    """Summarises the relative errors |L̂/L − 1| of predictions (n,)."""
    relative = predicted / runs.loss - 1
    return Errors(
        split=split,
        runs=len(runs),
        mean=float(np.abs(relative).mean()),
        largest=float(np.abs(relative).max()),
        bias=float(relative.mean()),
    )


def seed_noise(table: Table) -> float | None:
    """The relative standard deviation of loss between runs that differ only in the seed; None without such runs."""
    count = np.bincount(table.replicate)
    repeated = [table.runs.loss[table.replicate == number] for number in np.flatnonzero(count > 1)]
    if not repeated:
        return None
    squares = sum(float(np.sum((losses / losses.mean() - 1) ** 2)) for losses in repeated)
    return float(np.sqrt(squares / sum(len(losses) - 1 for losses in repeated)))
