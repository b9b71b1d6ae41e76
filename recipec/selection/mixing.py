"""The stage that decides domain weights: every kind of mixture has a mixer, and all are called here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from recipec import spec
from recipec.ir import logical, model
from recipec.ir.mixing import Decided, Earlier
from recipec.selection.allocation import CellTotals

if TYPE_CHECKING:
    from recipec.selection.bands import Bands
    from recipec.selection.kernel import Ranked


@dataclass(frozen=True, slots=True)
class Problem:
    """The input of a mixer.

    Attributes:
        op: the rules of the draw: quotas, repetition limits, tokens. In an estimate they are those of the sample.
        pools: the cells of the pool, or of the sample.
        ranked: for `bands`; None if only the pools are known.
        documents: facts about all documents, for mixers that measure (`execution.pool.Pool`); None outside a run.
        stated: the operation as the recipe states it, even in an estimate.
        before: the earlier phases.
        now: whether to measure what has not been measured yet.
    """

    op: logical.Sample
    pools: Sequence[CellTotals]
    ranked: Ranked | None = None
    documents: Any = None
    stated: logical.Sample | None = None
    before: tuple[Earlier, ...] = ()
    now: bool = False

    def bands(self, count: int) -> Bands:
        """The pool by domain, nested quota and quality band."""
        from recipec.selection.bands import bands  # numpy, which `check` of a mixture does without

        assert self.ranked is not None, "only a run of a recipe knows bands"
        return bands(self.ranked, None, count, nested=True)


def decide(problem: Problem) -> Decided:
    """The domain weights of a `Sample`, by the mixer of its mixture.

    Raises:
        Failure: the mixer cannot decide.
    """
    mixer = mixer_of(problem.op.mixture)
    return mixer.decide(problem, params_of(problem.op.mixture, mixer))


def mixer_of(mixture: model.Mixture) -> spec.Mixer:
    """The mixer that decides a mixture."""
    match mixture:
        case model.Natural():
            name = "natural"
        case model.Shares():
            name = "shares"
        case model.FromFile():
            name = "file"
        case model.Computed():
            name = mixture.mixer
        case _:
            assert_never(mixture)
    found: spec.Mixer = spec.find("mixers", name)
    return found


def params_of(mixture: model.Mixture, mixer: spec.Mixer) -> Any:
    """The arguments of a mixture as an instance of its mixer's parameter model."""
    return mixer.params.model_validate(mixture.params if isinstance(mixture, model.Computed) else {})


def shared(amounts: Mapping[str, float]) -> dict[str, float]:
    """Amounts by domain as shares; all 0 if the sum is 0."""
    total = math.fsum(amounts.values())
    return {domain: amount / total if total else 0.0 for domain, amount in amounts.items()}


def natural(pools: Sequence[CellTotals]) -> dict[str, float]:
    """The domain shares that result from the sampling curves at scale 1."""
    amounts: dict[str, float] = {}
    for pool in pools:
        amounts[pool.domain] = amounts.get(pool.domain, 0.0) + pool.natural
    return shared(amounts)


def proportional(pools: Sequence[CellTotals]) -> dict[str, float]:
    """The domain shares of the pool's unique tokens."""
    amounts: dict[str, float] = {}
    for pool in pools:
        amounts[pool.domain] = amounts.get(pool.domain, 0.0) + float(pool.tokens)
    return shared(amounts)
