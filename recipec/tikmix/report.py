"""The report of weights: each task's gain, binding constraints, and warnings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Severity
from recipec.ir.reweighting import Predictor, Reweighting
from recipec.numbers import plain
from recipec.tikmix.modelled import Modelled
from recipec.tikmix.problem import InfluenceProblem
from recipec.tikmix.solver import Solution

BINDS = 1e-6
"""Smallest multiplier of a constraint that counts as binding."""


WORSE = 1e-6
"""Smallest loss of a task's gain that is reported, as a share of the most that one domain gives."""


@dataclass(frozen=True, slots=True)
class Report:
    """Attributes:
    weights: (m,) the answer of the method, direct or model.
    direct: the direct answer with its multipliers.
    """

    problem: InfluenceProblem
    weights: Array
    direct: Solution
    modelled: Modelled | None = None

    @property
    def effective_domains(self) -> float:
        """exp(H(w)): the number of equally weighted domains with the same entropy."""
        return float(np.exp(self.problem.terms(self.weights)[2]))

    def binding(self) -> list[str]:
        """The binding constraints, in words."""
        p, d = self.problem, self.direct
        found = [f"task {name}" for name, value in zip(p.tasks, d.multipliers, strict=True) if value > BINDS]
        found += [
            f"{name} at least {plain(low)}"
            for name, low, value in zip(p.domains, p.low, d.at_low, strict=True)
            if low > 0 and value > BINDS
        ]
        found += [
            f"{name} at most {plain(high)}"
            for name, high, value in zip(p.domains, p.high, d.at_high, strict=True)
            if value > BINDS
        ]
        return found

    def warnings(self) -> tuple[Diagnostic, ...]:
        words = [
            f"every domain harms task `{task}`: its row is divided by its largest size, so that less harm counts as gain"
            for task in self.problem.harmed
        ]
        still = np.abs(self.weights - self.problem.prior).max() < 1e-6
        if still and not np.allclose(self.problem.influence, self.problem.influence[:, :1]):
            words.append("no other weights leave every task as well off as the prior: the answer is the prior itself")
        scaled = self.problem.scaled @ (self.weights - self.problem.prior)
        worse = [task for task, value in zip(self.problem.tasks, scaled, strict=True) if value < -WORSE]
        if worse:
            words.append(f"{', '.join(f'`{task}`' for task in worse)} does worse than under the prior")
        if self.modelled is not None and self.modelled.used.kind == "linear":
            lightgbm, linear = self.modelled.judged
            words.append(
                f"LightGBM does not beat the linear predictor on held-out labels (rank correlation "
                f"{lightgbm.rank_correlation:.3f} against {linear.rank_correlation:.3f}): the linear one is used"
            )
        return tuple(Diagnostic("R1307", message, severity=Severity.WARNING) for message in words)

    def record(self) -> Reweighting:
        """The record that a plan stores and a view shows."""
        p, d = self.problem, self.direct
        spread, gain, entropy = p.terms(self.weights)
        found = Reweighting(
            tasks=p.tasks,
            domains=p.domains,
            influence=_rows(p.influence),
            scaled=_rows(p.scaled),
            prior=_row(p.prior),
            weights=_row(self.weights),
            before=_row(p.scaled @ p.prior),
            gains=_row(p.scaled @ self.weights),
            slack=_row(p.slack(self.weights)),
            multipliers=_row(d.multipliers),
            objective=p.objective(self.weights),
            prior_objective=p.objective(p.prior),
            spread=spread,
            gain=gain,
            entropy=entropy,
            alpha=p.alpha,
            beta=p.beta,
            gamma=p.gamma,
            effective_domains=self.effective_domains,
            binding=tuple(self.binding()),
            warnings=tuple(warning.message for warning in self.warnings()),
        )
        m = self.modelled
        if m is None:
            return found
        judged = tuple(Predictor(kind=j.kind, rank_correlation=j.rank_correlation, mae=j.mae) for j in m.judged)
        modelled = {"direct": _row(d.weights), "used": m.used.kind, "predictors": judged, "agreement": m.influence}
        return found.model_copy(update={**modelled, "predicted": m.gain, "predicted_direct": m.start})


def _row(values: Array) -> tuple[float, ...]:
    return tuple(map(float, values))


def _rows(values: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(map(_row, values))
