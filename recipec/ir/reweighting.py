"""Domain weights by influence as a plan keeps them: the matrix, what was made of it, and how sure it is."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from recipec.ir.expressions import Frozen

Row = tuple[float, ...]


class Predictor(Frozen):
    """A regressor of TiKMiX-M, judged on labels that it has not seen."""

    kind: str
    rank_correlation: float
    mae: float


class Reweighting(Frozen):
    """Attributes:
    tasks: (n,) and domains: (m,) names.
    influence: S (n, m); larger helps a task more. `scaled`: the same by row of the largest. `errors`: (n, m), () for a table.
    prior, weights: (m,); `errors_of_weights`: (m,), () for a table.
    before, gains: (n,) what each task gains under the prior and under the weights, as a share of the most that one domain
        gives; `slack`: the difference in the unit of S.
    multipliers: (n,) what the constraint that no task fares worse costs.
    objective, prior_objective: smaller is better; `spread, gain, entropy` are its terms and `alpha, beta, gamma` their worth.
    binding: constraints that decide something, in words.
    stability: (n,) mean rank correlation between parts of the sample, () for a table.
    direct: (m,) TiKMiX-D's weights where the weights are TiKMiX-M's, and then `used` of the `predictors`, judged.
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
    objective: float
    prior_objective: float
    spread: float
    gain: float
    entropy: float
    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 1.0
    effective_domains: float
    binding: tuple[str, ...] = ()
    stability: Row = ()
    direct: Row = ()
    used: str = ""
    predicted: float = 0.0  # by the predictor that is used, of the weights; `predicted_direct` of TiKMiX-D's
    predicted_direct: float = 0.0
    predictors: tuple[Predictor, ...] = ()
    agreement: float = 0.0  # rank correlation of influence with the labels of mixtures
    measured: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
