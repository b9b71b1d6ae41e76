"""The result of a mixer, and the identities of mixtures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from recipec.ir import logical, model
from recipec.ir.reweighting import Reweighting

SLACK = 1e-6
"""The largest allowed deviation of the sum of weights from 1: solvers are not exact."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Domain weights, with their evidence.

    Attributes:
        weights: shares of the tokens; they sum to 1 (or are all 0, if the pool is empty), and a domain that is not
            listed has 0.
        evidence: the measurement behind them, if there is one.
        waiting: why they are not decided yet; "" if they are. Plans then show these weights in the meantime, which
            should be those of the pool.
        follows_curves: whether they result from the curves, so that without a budget and quotas nothing is scaled.

    Raises:
        ValueError: the weights are invalid, which is an error in the mixer.
    """

    weights: Mapping[str, float]
    evidence: Reweighting | None = None
    waiting: str = ""
    follows_curves: bool = False

    def __post_init__(self) -> None:
        total = math.fsum(self.weights.values())
        if not all(weight >= 0 for weight in self.weights.values()) or not (total == 0 or abs(total - 1) <= SLACK):
            raise ValueError(f"a mixer gave weights that are negative or do not sum to 1: {dict(self.weights)}")


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier phase of training: its tokens, and its weights."""

    mixture: model.Mixture
    tokens: int
    decided: Decided


def word(mixture: model.Mixture) -> str:
    """The name of a mixture in plans."""
    match mixture:
        case model.Natural():
            return "natural"
        case model.Shares() | model.FromFile():
            return "explicit"
        case model.Computed():
            return mixture.mixer
        case _:
            assert_never(mixture)


def identified(mixture: model.Mixture) -> dict[str, Any]:
    """The part of a mixture that the identities of steps and plans hash.

    Its form predates the union: it identifies stored results and published datasets, which must stay valid.
    """
    value: dict[str, Any] = {"kind": word(mixture), **mixture.model_dump(mode="json", exclude={"kind", "mixer"})}
    missing: dict[str, Any] = {"law": None, "params": {}, "weights": [], "path": "", "digest": ""}
    if value.get("plugin", "") is None:
        del value["plugin"]
    return {**missing, **value}


def identified_op(op: logical.Op) -> dict[str, Any]:
    """The part of an operation that the identities of steps and plans hash, before further fields are left out."""
    value: dict[str, Any] = op.model_dump(mode="json")
    if isinstance(op, logical.Sample):
        value["mixture"] = identified(op.mixture)
        if not op.targets:
            del value["targets"]
    return value
