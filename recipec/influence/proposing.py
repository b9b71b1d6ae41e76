"""From a measurement to proposed weights, with all that is known of how sure they are."""

from __future__ import annotations

import numpy as np

from recipec.influence import weighing
from recipec.influence.measurement import Measured
from recipec.ir.reweighting import Reweighting
from recipec.reweighting.report import Report


def record(report: Report, measured: Measured) -> Reweighting:
    """A report with the errors of its measurement."""
    errors, spread = weighing.errors(measured, report.problem)
    found = report.record()
    return found.model_copy(
        update={
            "errors": tuple(tuple(map(float, row)) for row in np.asarray(errors)),
            "errors_of_weights": tuple(map(float, spread)),
            "stability": weighing.stability(measured),
            "measured": {
                **measured.options.model_dump(mode="json"),
                "task_tokens": list(measured.task_tokens),
                "domain_tokens": list(measured.domain_tokens),
            },
            "warnings": (*weighing.noise(measured), *weighing.thin(measured), *found.warnings),
        }
    )
