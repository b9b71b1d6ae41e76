"""Domain weights by influence as stored in a plan: the matrix, the resulting weights, and their uncertainty."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from recipec.ir import closed
from recipec.ir.expressions import Frozen

Row = tuple[closed.Number, ...]


class Predictor(Frozen):
    """A regressor of TiKMiX-M, evaluated on held-out labels."""

    kind: str
    rank_correlation: closed.Number
    mae: closed.Number


class Reweighting(Frozen):
    """Attributes:
    tasks: (n,) and domains: (m,) names.
    influence: S (n, m); larger helps a task more. `scaled`: each row relative to its largest. `errors`: (n, m), () for
        a table.
    prior, weights: (m,); `errors_of_weights`: (m,), () for a table.
    before, gains: (n,) gain of each task under the prior and under the weights, as a share of the largest gain from a
        single domain; `slack`: the difference in the unit of S.
    multipliers: (n,) the price of the constraint that no task does worse.
    objective, prior_objective: smaller is better; `spread, gain, entropy` are its terms with the weights `alpha, beta,
        gamma`.
    binding: a description of the constraints that are active.
    stability: (n,) mean rank correlation between parts of the sample, () for a table.
    direct: (m,) TiKMiX-D's weights if the weights are TiKMiX-M's; then also `used`, the chosen one of the evaluated
        `predictors`.
    measured: how influence was measured, as settings and counts; empty for a table.
    """

    tasks: tuple[str, ...]
    domains: tuple[str, ...]
    influence: tuple[Row, ...]
    scaled: tuple[Row, ...]
    errors: tuple[Row, ...] = ()
    prior: Row
    weights: Row
    errors_of_weights: Row = ()
    before: Row
    gains: Row
    slack: Row
    multipliers: Row
    objective: closed.Number
    prior_objective: closed.Number
    spread: closed.Number
    gain: closed.Number
    entropy: closed.Number
    alpha: closed.Number = 1.0
    beta: closed.Number = 1.0
    gamma: closed.Number = 1.0
    effective_domains: closed.Number
    binding: tuple[str, ...] = ()
    stability: Row = ()
    direct: Row = ()
    used: str = ""
    predicted: closed.Number = (
        0.0  # prediction of the used predictor for the weights; `predicted_direct` for TiKMiX-D's
    )
    predicted_direct: closed.Number = 0.0
    predictors: tuple[Predictor, ...] = ()
    agreement: closed.Number = 0.0  # rank correlation of influence and the labels of mixtures
    measured: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
