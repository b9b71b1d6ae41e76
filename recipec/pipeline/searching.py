"""Opens a search of a recipe's sampling parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from recipec.database.connection import Settings
from recipec.diagnostics import Failure
from recipec.ir.search import Search
from recipec.models.job import Device
from recipec.pipeline import opening
from recipec.pipeline.compiling import compile_recipe
from recipec.progress import Progress, silent
from recipec.search import trials
from recipec.search.trials import Trials


@contextlib.contextmanager
def open_trials(
    path: Path,
    overrides: Mapping[str, str],
    *,
    runs: int | None = None,
    settings: Settings | None = None,
    device: Device = "auto",
    engine: str | None = None,
    progress: Progress = silent,
) -> Iterator[Trials]:
    """Yields the trials of a recipe, in its locked state folder.

    Args:
        runs: number of draws, instead of the recipe's own.

    Raises:
        Failure: the parameters of the recipe cannot be searched.
    """
    first = compile_recipe(path, overrides)
    search = first.recipe.search or Search()
    if runs is not None:
        search = search.model_copy(update={"runs": runs})
    problems = trials.problems(first.recipe.model_copy(update={"search": search}))
    if problems:
        raise Failure(*problems)
    limits = settings or opening.settings(path)
    with opening.opened(first, limits, device, progress, engine) as (place, compiled):
        recipe = compiled.recipe.model_copy(update={"search": search})
        yield trials.opened(place.run(trials.base(recipe)), search)
