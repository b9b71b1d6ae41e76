"""The words of a recipe in a plan file, with their arguments: checked as `semantics` checks those of a recipe's text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recipec import spec
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import model


def check(recipe: model.Recipe, file: Path) -> None:
    """Raises Failure if a criterion, a mixer or a format has arguments that it does not take.

    Args:
        file: the plan file.
    """
    problems = list(_problems(recipe))
    if problems:
        helps = ("plan the recipe again",)
        raise Failure(
            *(
                Diagnostic("R0707", f"the plan file is damaged: {problem}", place=str(file), helps=helps)
                for problem in problems
            )
        )


def _problems(recipe: model.Recipe) -> Iterator[str]:
    targets = {target.name for target in recipe.targets}
    for call in recipe.scores:
        found = spec.find("criteria", call.function)
        yield from _unfit(call.function, found.params, call.params)
        if found.type != call.type:
            yield f"the values of `{call.function}` are of type {found.type}"
        if call.params.get("target") is not None and call.params["target"] not in targets:
            yield f"`{call.function}` has a target that the recipe does not define"
    mixtures = (recipe.mixture, *(phase.mixture for phase in (*recipe.phases, *recipe.before)))
    for mixture in mixtures:
        if isinstance(mixture, model.Computed):
            yield from _unfit(mixture.mixer, spec.find("mixers", mixture.mixer).params, mixture.params)
    if recipe.output is not None:
        format_: spec.Format = spec.find("formats", recipe.output.format)
        if recipe.output.compression not in format_.compressions:
            yield f"`{format_.name}` has no compression `{recipe.output.compression:.40}`"


def _unfit(word: str, params: Any, values: dict[str, Any]) -> Iterator[str]:
    try:
        params.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        yield f"`{word}` is called with `{'.'.join(map(str, first['loc']))}`: {str(first['msg']).lower()}"
