"""Domain weights by influence as stored in a plan: the matrix, the resulting weights, and their uncertainty."""

from __future__ import annotations

from pydantic import Field, model_validator

from recipec.ir import closed
from recipec.ir.expressions import Frozen

Row = tuple[closed.Number, ...]


Setting = bool | closed.Whole | closed.Number | str | tuple[closed.Count, ...] | tuple[str, ...] | None
"""How influence was measured: an option, or the numbers of tokens of all tasks or domains."""


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
    measured: dict[closed.Word, Setting] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Reweighting:
        """Every row has a value per domain or per task, wherever it has any."""
        tasks, domains = len(self.tasks), len(self.domains)
        matrices = (self.influence, self.scaled, self.errors or self.influence)
        whole = all(len(rows) == tasks and all(len(row) == domains for row in rows) for rows in matrices)
        by_domain = (self.prior, self.weights, self.errors_of_weights or self.weights, self.direct or self.weights)
        by_task = (self.before, self.gains, self.slack, self.multipliers, self.stability or self.gains)
        if not (
            domains
            and whole
            and all(len(row) == domains for row in by_domain)
            and all(len(row) == tasks for row in by_task)
        ):
            raise ValueError("it has not as many values as tasks and domains")
        return self
