"""Warnings to read before trusting a fit: what the runs cannot determine, in words."""

from __future__ import annotations

import numpy as np

from recipec.arrays import Array
from recipec.laws.form import Law
from recipec.laws.lawfile import Errors, Parameter
from recipec.laws.runs import Runs
from recipec.laws.tables import Table
from recipec.numbers import plain

NARROW_LOSS = 0.10
"""Range of log loss below which a floor and a slope cannot be distinguished (our choice)."""

WIDE_INTERVAL = 1.0
"""An interval wider than this multiple of its parameter's value barely identifies it (our choice)."""


def doubts(law: Law, table: Table, parameters: dict[str, Parameter], errors: tuple[Errors, ...]) -> tuple[str, ...]:
    """All warnings, in the order: design, losses, parameters, errors."""
    return (
        *design_doubts(law, table),
        *loss_doubts(table.runs),
        *parameter_doubts(law, parameters),
        *error_doubts(errors),
    )


def design_doubts(law: Law, table: Table) -> list[str]:
    """Warnings on what the choice of runs cannot determine (docs/methods.md, section 4)."""
    runs, found = table.runs, []
    if len(np.unique(runs.params)) < 2:
        found.append("one model size: the effect of size is not identified")
    if not sees_repetition(law):
        if runs.repetition.max() > 1 + 1e-6:
            found.append(
                f"{law.name} is blind to repetition, and the runs repeat up to {plain(runs.repetition.max(), 3)} times"
            )
        return found
    levels = np.unique(np.round(runs.repetition, 6))
    if len(levels) < 2:
        found.append(f"one repetition level ({plain(levels[0], 3)}): {repetition_words(law)} not identified")
    elif law.info is not None:
        if len(np.unique(pools(runs))) < 2:
            found.append("one pool size: theta and lambda are barely identified")
        elif not same_recipe_repeats(table):
            found.append("no recipe was run at two repetition levels: theta and lambda are barely identified")
    if law.info is not None and runs.tokens.shape[1] == 1:
        found.append("one quality band: theta is not identified and was set to 0, so all bands count alike")
    return found


def sees_repetition(law: Law) -> bool:
    return law.info is not None or "R_D" in law.names


def repetition_words(law: Law) -> str:
    return "theta and lambda are" if law.info is not None else "R_D is"


def pools(runs: Runs) -> Array:
    """The pool size (n,) as far as a run shows it: unique tokens per token of the run, to two decimals."""
    return np.asarray(np.round(runs.unique.sum(axis=1) / runs.total, 2))


def same_recipe_repeats(table: Table) -> bool:
    """Whether the same shares over the bands were run at two or more repetition levels."""
    shares = np.round(table.runs.tokens / table.runs.total[:, None], 3)
    _, group = np.unique(shares, axis=0, return_inverse=True)
    return any(len(np.unique(np.round(table.runs.repetition[group.ravel() == g], 3))) > 1 for g in np.unique(group))


def loss_doubts(runs: Runs) -> list[str]:
    span = float(np.log(runs.loss.max() / runs.loss.min()))
    if span >= NARROW_LOSS:
        return []
    return [f"losses span only {np.expm1(span):.2%}: too little to tell a floor from a slope"]


def parameter_doubts(law: Law, parameters: dict[str, Parameter]) -> list[str]:
    """Warnings on parameters at a bound of the search or with a wide interval."""
    found = []
    for form in law.parameters:
        one = parameters[form.name]
        if one.low == one.high:
            continue
        span = np.log(form.high / form.low) if form.log else form.high - form.low
        below = np.log(one.value / form.low) if form.log else one.value - form.low
        if below / span < 1e-4 or below / span > 1 - 1e-4:
            found.append(
                f"{form.name} = {plain(one.value, 3)} lies at a bound of the search: the runs do not determine it"
            )
        elif one.high - one.low > WIDE_INTERVAL * abs(one.value):
            found.append(
                f"{form.name} is barely identified: {plain(one.value, 3)}, 95% in {plain(one.low, 3)} to {plain(one.high, 3)}"
            )
    return found


def error_doubts(errors: tuple[Errors, ...]) -> list[str]:
    """Warnings on held-out errors far above the in-sample error, and on splits that could not be made."""
    by_split = {one.split: one for one in errors}
    found = []
    for split in ("size", "repetition", "recipe"):
        one = by_split.get(split)
        if one is None:
            found.append(f"no held-out error by {split}: the runs do not allow that split")
        elif one.mean > 2 * max(by_split["in-sample"].mean, 1e-9):
            found.append(
                f"held out by {split} the mean error is {one.mean:.2%}, in-sample {by_split['in-sample'].mean:.2%}: "
                "trust the former"
            )
    return found
