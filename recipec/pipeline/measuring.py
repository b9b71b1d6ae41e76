"""Measurements on a recipe's pool other than its plan: probe, influence, look-ahead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from recipec import tikmix
from recipec.arrays import Array
from recipec.audit import probe as probing
from recipec.database.connection import Settings
from recipec.execution.run import Run
from recipec.ir import model
from recipec.models.job import Device
from recipec.pipeline import opening
from recipec.pipeline.compiling import compile_recipe
from recipec.progress import Progress, silent
from recipec.tikmix import lookahead
from recipec.tikmix.lookahead import Ahead


def probe(
    path: Path,
    overrides: Mapping[str, str],
    *,
    documents: int,
    deactivate: bool = False,
    settings: Settings | None = None,
    device: Device = "auto",
    engine: str | None = None,
    progress: Progress = silent,
) -> probing.Probe:
    """Probes the targets of a recipe against a keyed sample of its pool.

    Args:
        documents: size of the sample.
        deactivate: also zero each target's neurons, and measure the effect on the loss on its examples.
    """
    with _before_models(path, overrides, settings, device, progress, engine) as run:
        return probing.probe(run.pool, documents, deactivate)


def measure_influence(
    path: Path,
    overrides: Mapping[str, str],
    chosen: tikmix.Options,
    *,
    settings: Settings | None = None,
    device: Device = "auto",
    engine: str | None = None,
    progress: Progress = silent,
) -> tuple[tikmix.Measured, model.Recipe]:
    """Measures the influence of a recipe's domains on its targets at a checkpoint; returns it with the recipe."""
    with _before_models(path, overrides, settings, device, progress, engine) as run:
        return tikmix.measure(run.pool, chosen), run.pool.recipe


def look_ahead(
    path: Path,
    overrides: Mapping[str, str],
    ahead: Ahead,
    tasks: Sequence[str],
    domains: Sequence[str],
    mixtures: Array,
    *,
    settings: Settings | None = None,
    device: Device = "auto",
    engine: str | None = None,
    progress: Progress = silent,
) -> tuple[Array, Array]:
    """The mixtures (n, m) of a recipe's domains whose look-ahead training finished, and the gain of each (n,)."""
    with _before_models(path, overrides, settings, device, progress, engine) as run:
        targets = [target for target in run.pool.recipe.targets if target.name in tasks]
        found = lookahead.labels(run.pool, ahead, targets, domains, mixtures, now=True)
        assert found is not None
        return found


@contextlib.contextmanager
def _before_models(
    path: Path,
    overrides: Mapping[str, str],
    settings: Settings | None,
    device: Device,
    progress: Progress,
    engine: str | None,
) -> Iterator[Run]:
    """Yields a run of a recipe that has read everything and computed all scores that need no model."""
    limits = settings or opening.settings(path)
    with opening.opened(compile_recipe(path, overrides), limits, device, progress, engine) as (place, compiled):
        run = place.run(compiled.recipe)
        run.read()
        run.score(models=False)
        yield run
