"""The budget of a recipe: tokens, the model, its law of loss, and what must be met."""

from __future__ import annotations

from typing import Literal

from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.ir.provenance import Origin, Plugin


class LawFacts(Frozen):
    """The facts of a law file that determine a mixture of maximum information, at the budget's model size.

    Attributes:
        digest: sha256 of the law file.
        theta: a band d has the quality exp(−theta·d).
        absorption: λ(N).
        bands: the number of quality bands that the law knows.
    """

    digest: closed.Sha256
    theta: closed.Number
    absorption: closed.Number
    bands: closed.Positive
    plugin: Plugin | None = None


class Law(Frozen):
    """`law infolaw("laws/ours.json")` or `law std.law.infolaw_2026`.

    `facts` is None for a law without quality bands. `name` is the law's word, `path` as written.
    """

    name: closed.Word
    path: closed.Path
    digest: closed.Sha256
    facts: LawFacts | None = None
    plugin: Plugin | None = None
    origin: Origin


class Requirement(Frozen):
    """`require loss <= 2.45`: what a plan must meet.

    `most` is in nats per token for `loss`, a share for `wasted`, tokens per unique token for `repetition`; for `regret`
    nats per token, or a share of the best loss where `relative`.
    """

    quantity: Literal["loss", "wasted", "repetition", "regret"]
    most: closed.Number
    relative: bool = False
    origin: Origin


class Budget(Frozen):
    tokens: closed.Positive
    model: closed.Positive | None = None  # parameters
    law: Law | None = None
    require: tuple[Requirement, ...] = ()
    origin: Origin
