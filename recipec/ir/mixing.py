"""What a mixer decides, and what identities say of mixtures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from recipec.ir import logical, model
from recipec.ir.reweighting import Reweighting

SLACK = 1e-6
"""How far weights may be from a sum of 1: solvers end near it."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Domain weights, with what they rest on.

    Attributes:
        weights: shares of the tokens; they sum to 1 (or are all 0, where the pool has nothing), and a domain that is
            not listed has 0.
        evidence: the measurement behind them, where there is one.
        waiting: why they are not decided yet, "" where they are. Plans then show these weights instead, which should be
            the pool's own.
        follows_curves: they are what the curves give, so that without a budget and quotas nothing is to be scaled.

    Raises:
        ValueError: no such weights: a fault of the mixer.
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
    """A phase of training that comes before: its tokens, and the weights that it had."""

    mixture: model.Mixture
    tokens: int
    decided: Decided


def word(mixture: model.Mixture) -> str:
    """How plans call a mixture."""
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
    """What the identities of steps and plans hash of a mixture.

    Its shape is older than the union: stored results and published datasets are known by it, and stay known.
    """
    value: dict[str, Any] = {"kind": word(mixture), **mixture.model_dump(mode="json", exclude={"kind", "mixer"})}
    missing: dict[str, Any] = {"law": None, "params": {}, "weights": [], "path": "", "digest": ""}
    if value.get("plugin", "") is None:
        del value["plugin"]
    return {**missing, **value}


def identified_op(op: logical.Op) -> dict[str, Any]:
    """What the identities of steps and plans hash of an operation, before anything else is left out."""
    value: dict[str, Any] = op.model_dump(mode="json")
    if isinstance(op, logical.Sample):
        value["mixture"] = identified(op.mixture)
        if not op.targets:
            del value["targets"]
    return value
