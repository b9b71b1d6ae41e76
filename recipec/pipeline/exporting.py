"""Exports what a run has stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recipec.database.connection import Settings
from recipec.execution import exporting
from recipec.execution.exporting import Exported
from recipec.models.job import Device
from recipec.pipeline import opening
from recipec.pipeline.compiling import compile_recipe
from recipec.planning import phases
from recipec.progress import Progress, silent


def export_scores(
    path: Path,
    overrides: Mapping[str, str],
    folder: Path,
    *,
    word: str = "parquet",
    score: bool = False,
    settings: Settings | None = None,
    device: Device = "auto",
    engine: str | None = None,
    progress: Progress = silent,
) -> Exported:
    """Writes the scores of a recipe's documents, one file per shard; those of texts are computed, others if they are stored.

    Args:
        word: the format, `parquet` or `jsonl`.
        score: compute scores by models too.

    Raises:
        Failure: no score can be exported, or the folder is no place for it.
    """
    limits = settings or opening.settings(path)
    with opening.opened(compile_recipe(path, overrides), limits, device, progress, engine, [folder]) as (
        place,
        compiled,
    ):
        recipe = compiled.recipe
        run = place.run(phases.part(recipe, []) if recipe.phases else recipe)
        run.read()
        by_model = [p for group in run.pool.groups() for p in group if run.pool.is_by_model(p)]
        run.score(models=score or not any(run.pool.missing([p]) for p in by_model))
        run.keep_rates(place.setting)
        return exporting.export(run.pool, folder, word)
