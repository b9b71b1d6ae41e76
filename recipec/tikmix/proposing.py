"""From a measurement to proposed weights, with their errors and warnings."""

from __future__ import annotations

import numpy as np

from recipec.inputs import targets
from recipec.ir import model
from recipec.ir.reweighting import Reweighting
from recipec.tikmix import weighing
from recipec.tikmix.measurement import Measured
from recipec.tikmix.report import Report


def record(report: Report, measured: Measured, recipe: model.Recipe) -> Reweighting:
    """The record of a report, with the errors of its measurement."""
    said = (
        *weighing.noise(measured),
        *weighing.thin(measured),
        *weighing.recounted(measured),
        *_unmarked(measured, recipe),
    )
    errors, spread = weighing.errors(measured, report.problem)
    found = report.record()
    return found.model_copy(
        update={
            "errors": tuple(tuple(map(float, row)) for row in np.asarray(errors)),
            "errors_of_weights": tuple(map(float, spread)),
            "stability": weighing.stability(measured),
            "measured": {
                **measured.options.model_dump(),
                "task_tokens": measured.task_tokens,
                "domain_tokens": measured.domain_tokens,
                "tokens_per_counted_token": measured.ratio,
            },
            "warnings": (*said, *found.warnings),
        }
    )


def _unmarked(measured: Measured, recipe: model.Recipe) -> list[str]:
    """Warnings about tasks of several fields whose template does not mark the field to be learned."""
    return [
        f"target `{target.name}` marks no completion, so its loss is over the whole text: write `{{field:completion}}`"
        for target in recipe.targets
        if target.name in measured.tasks and target.text.count("{") > 1 and not targets.marks_completion(target)
    ]
