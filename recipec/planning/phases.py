"""The recipe of one phase of training: everything of the whole one that decides it, and nothing of what comes after it."""

from __future__ import annotations

from collections.abc import Sequence

from recipec.ir import model


def part(recipe: model.Recipe, before: Sequence[model.Phase]) -> model.Recipe:
    """The recipe of the phase that comes after `before`.

    What an earlier phase is does not depend on later ones, so that its dataset stays as it is when those change: a law
    judges training as a whole, at its end.
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
    """The folder of the dataset of a phase, from 0."""
    return f"phase-{number + 1}"
