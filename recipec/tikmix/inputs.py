"""Reads tables of influence, priors and labels from files, reporting every problem."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from recipec.arrays import Array
from recipec.database import tables
from recipec.database.tables import Matrix
from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.numbers import plain
from recipec.tikmix.problem import InfluenceProblem

SLACK = 1e-3
"""Tolerance for the sum of a prior around one: tables are rounded."""


def read(influence: Path, prior: Path, quotas: Sequence[str] = ()) -> InfluenceProblem:
    """Reads the problem from two tables: `task` and one column per domain; `domain` and `weight`.

    Args:
        quotas: bounds of weights such as `code=20%..35%`; leave out either side for no bound.

    Raises:
        Failure: lists every problem of the tables and the quotas.
    """
    s, w = tables.matrix(influence, "task"), tables.matrix(prior, "domain")
    problems = [*_influence(s), *_prior(w)]
    for name in sorted({*s.names} ^ {*w.keys}):
        have, lack, known = (influence, prior, w.keys) if name in s.names else (prior, influence, s.names)
        helps = did_you_mean(name, known)
        problems.append(Diagnostic("R1301", f"`{have}` has the domain `{name}`, which is not in `{lack}`", helps=helps))
    low, high = np.zeros(len(s.names)), np.ones(len(s.names))
    for quota in quotas:
        found = _quota(quota, s.names)
        if isinstance(found, Diagnostic):
            problems.append(found)
        else:
            place, low[place], high[place] = found
    if problems:
        raise Failure(*problems)
    weights = w.values[[w.keys.index(name) for name in s.names], 0]
    return InfluenceProblem(s.keys, s.names, s.values, weights / weights.sum(), low, high)


def _influence(s: Matrix) -> list[Diagnostic]:
    wrong = ~np.isfinite(s.values)
    if not wrong.any():
        return []
    task, domain = np.argwhere(wrong)[0]
    message = f"`{s.path}`: {int(wrong.sum()):,} influences are missing or not numbers, for example "
    message += f"of `{s.names[domain]}` on `{s.keys[task]}`"
    return [Diagnostic("R1302", message, helps=("a gradient that is not finite gives such a value; measure again",))]


def _prior(w: Matrix) -> list[Diagnostic]:
    if w.names != ("weight",):
        return [Diagnostic("R0906", f"`{w.path}` has the columns {', '.join(w.names)}; expected `domain` and `weight`")]
    weights = w.values[:, 0]
    if not (np.isfinite(weights) & (weights >= 0)).all():
        return [Diagnostic("R1303", f"`{w.path}`: a weight is negative, missing or not a number")]
    if abs(weights.sum() - 1) > SLACK:
        helps = (f"divide each by {plain(weights.sum(), 6)}",)
        return [Diagnostic("R1303", f"`{w.path}`: the weights sum to {plain(weights.sum(), 6)}, not to 1", helps=helps)]
    return []


QUOTA = re.compile(r"(.+)=(?:([\d.]+)(%?))?\.\.(?:([\d.]+)(%?))?")


def _quota(text: str, names: Sequence[str]) -> tuple[int, float, float] | Diagnostic:
    match = QUOTA.fullmatch(text)
    if match is None:
        return Diagnostic(
            "R1304", f"`{text}` is not a quota", helps=("write for example `code=20%..35%` or `code=..0.35`",)
        )
    name, low, percent, high, other = match.groups()
    if name not in names:
        return Diagnostic("R1304", f"`{text}` names no known domain", helps=did_you_mean(name, names))
    try:
        least = float(low or 0) / (100 if percent else 1)
        most = float(high) / (100 if other else 1) if high else 1.0
    except ValueError:
        return Diagnostic("R1304", f"`{text}` is not a quota: its bounds are not numbers")
    if not 0 <= least <= most <= 1:
        return Diagnostic("R1304", f"`{text}` is not a quota: shares rise from 0 to 1")
    return names.index(name), least, most


def labels(path: Path, problem: InfluenceProblem) -> tuple[Array, Array]:
    """Reads labelled mixtures (n, m) and the gain of each (n,) from a table with one column per domain and `gain`.

    Raises:
        Failure: it has other columns, or values that are not numbers.
    """
    found = tables.matrix(path)
    values = found.ordered((*problem.domains, "gain"))
    if not np.isfinite(values).all():
        raise Failure(Diagnostic("R1302", f"`{path}`: a value is missing or not a number"))
    return values[:, :-1], values[:, -1]


def weighted(problem: InfluenceProblem, alpha: float, beta: float, gamma: float) -> InfluenceProblem:
    """The problem with the given coefficients of the objective's terms.

    Raises:
        Failure: one is negative, or all are zero.
    """
    values = (alpha, beta, gamma)
    if not all(0 <= value < np.inf for value in values) or not any(values):
        raise Failure(Diagnostic("R1304", "--alpha, --beta and --gamma must be at least 0, and not all 0"))
    return replace(problem, alpha=alpha, beta=beta, gamma=gamma)
