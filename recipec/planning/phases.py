"""The recipe of one phase of training: everything in the whole recipe that affects it, nothing from later phases."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.ir import model


def part(recipe: model.Recipe, before: Sequence[model.Phase]) -> model.Recipe:
    """The recipe of the phase after `before`.

    An earlier phase does not depend on later ones, so its dataset is unchanged when those change; a law judges training
    as a whole, at its end.
    """
    number = len(before)
    phase = recipe.phases[number]
    last = number == len(recipe.phases) - 1
    assert recipe.budget is not None
    budget = recipe.budget.model_copy(update={"tokens": phase.tokens})
    if not last:
        budget = budget.model_copy(update={"model": None, "law": None, "require": ()})
    output = recipe.output
    if output is not None:
        output = output.model_copy(update={"path": f"{output.path}/{name(number)}"})
    return recipe.model_copy(
        update={
            "mixture": phase.mixture,
            "quotas": phase.quotas,
            "budget": budget,
            "output": output,
            "canonical": f"{recipe.canonical}budget {phase.tokens} tokens\n{phase.canonical}",
            "phases": (),
            "before": tuple(before),
        }
    )


def name(number: int) -> str:
    """The folder name of the dataset of a phase; `number` counts from 0."""
    return f"phase-{number + 1}"
