"""Reads the runs of others from two tables: what each run was trained on, and its losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recipec.arrays import Array
from recipec.database import tables
from recipec.database.tables import Matrix
from recipec.diagnostics import Diagnostic, Failure, Severity, did_you_mean
from recipec.numbers import plain

SLACK = 0.02
"""Tolerance for the sum of a mixture's shares around one: published tables are rounded."""


@dataclass(frozen=True, slots=True)
class SearchRuns:
    """Attributes:
    names: (d,) domains, or parameters.
    x: (n, d) shares as given in the table, or parameters.
    targets: (t,) names of losses.
    losses: (n, t), all finite.
    keys: (n,) keys of the runs.
    excluded: keys of runs that diverged.
    digests: sha256 of the two files.
    """

    names: tuple[str, ...]
    x: Array
    targets: tuple[str, ...]
    losses: Array
    keys: tuple[str, ...]
    excluded: tuple[str, ...]
    digests: tuple[str, str]


def read(
    mixtures: Path, losses: Path, targets: Sequence[str], *, shares: bool
) -> tuple[SearchRuns, tuple[Diagnostic, ...]]:
    """Reads the runs of two tables, joined by their key column, or by their order if neither has one.

    Args:
        targets: columns of the losses.
        shares: whether the mixtures' columns are shares of domains.

    Returns:
        Runs, and warnings about runs that diverged (a loss that is not finite) and are left out.

    Raises:
        Failure: lists every problem of both tables.
    """
    x, y = tables.matrix(mixtures), tables.matrix(losses)
    problems = [
        Diagnostic("R0906", f"`{losses}` has no column `{name}`", helps=did_you_mean(name, y.names))
        for name in targets
        if name not in y.names
    ]
    problems += _joined(x, y)
    wrong = _problem(x, shares=shares)
    problems += [wrong] if wrong is not None else []
    if problems:
        raise Failure(*problems)
    place = {key: number for number, key in enumerate(y.keys)}
    chosen = y.values[[place[key] for key in x.keys]][:, [y.names.index(name) for name in targets]]
    runs = SearchRuns(x.names, x.values, tuple(targets), chosen, x.keys, (), (x.digest, y.digest))
    return _without_diverged(runs, losses)


def _joined(x: Matrix, y: Matrix) -> list[Diagnostic]:
    if x.keyed != y.keyed:
        lacking = y if x.keyed else x
        helps = (f"name one of its columns {', '.join(f'`{key}`' for key in tables.KEYS)}",)
        return [
            Diagnostic(
                "R1402", f"`{lacking.path}` has no key to join the runs by, but the other table has one", helps=helps
            )
        ]
    alone = [key for key in x.keys if key not in set(y.keys)], [key for key in y.keys if key not in set(x.keys)]
    return [
        Diagnostic(
            "R1402", f"`{have.path}` has {len(keys):,} runs that are not in `{lack.path}`, for example `{keys[0]}`"
        )
        for keys, have, lack in ((alone[0], x, y), (alone[1], y, x))
        if keys
    ]


def _problem(x: Matrix, *, shares: bool) -> Diagnostic | None:
    """The first problem of the rows: for parameters, a value that is not a number."""
    if shares:
        return _shares(x)
    bad = np.asarray(~np.isfinite(x.values).all(axis=1))
    return _bad(x, bad, "a value is missing or not a number") if bad.any() else None


def _shares(x: Matrix) -> Diagnostic | None:
    """The first problem of rows that should be shares summing to one."""
    total = x.values.sum(axis=1)
    negative = np.asarray(~(np.isfinite(x.values) & (x.values >= 0)).all(axis=1))
    if negative.any():
        return _bad(x, negative, "a share is negative, missing or not a number")
    wrong = np.abs(total - 1) > SLACK
    if not wrong.any():
        return None
    first = int(np.flatnonzero(wrong)[0])
    helps = ("if the columns are sampling parameters, not shares, use --parameters",)
    return replace(
        _bad(x, wrong, f"the shares do not sum to one, but for example to {plain(total[first])}"), helps=helps
    )


def mixtures_like(path: Path, runs: SearchRuns, *, shares: bool) -> tuple[tuple[str, ...], Array]:
    """Reads keys and rows (n, d) of another table with the same columns.

    Raises:
        Failure: it has other columns, or rows that are not mixtures.
    """
    other = tables.matrix(path)
    values = other.ordered(runs.names)
    ordered = Matrix(other.path, other.keys, runs.names, values, other.keyed, other.digest)
    found = _problem(ordered, shares=shares)
    if found is not None:
        raise Failure(found)
    return other.keys, values


def _bad(x: Matrix, rows: Array, words: str) -> Diagnostic:
    keys = [x.keys[number] for number in np.flatnonzero(rows)]
    more = f" and {len(keys) - 5:,} more" if len(keys) > 5 else ""
    return Diagnostic("R1403", f"`{x.path}`: {words}", place=f"{x.path}, row {', '.join(keys[:5])}{more}")


def _without_diverged(runs: SearchRuns, path: Path) -> tuple[SearchRuns, tuple[Diagnostic, ...]]:
    good: Array = np.asarray(np.isfinite(runs.losses).all(axis=1))
    if good.all():
        return runs, ()
    excluded = tuple(runs.keys[number] for number in np.flatnonzero(~good))
    message = f"{len(excluded):,} of {len(good):,} runs diverged (a loss is missing or not a number) and are left out"
    warning = Diagnostic("R1404", message, place=f"{path}, row {', '.join(excluded[:5])}", severity=Severity.WARNING)
    keys = tuple(runs.keys[number] for number in np.flatnonzero(good))
    return replace(runs, x=runs.x[good], losses=runs.losses[good], keys=keys, excluded=excluded), (warning,)
