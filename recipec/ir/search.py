"""What a search of sampling parameters is of: bounds, proxies, and how many of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from recipec.ir.expressions import Frozen


class Proxy(Frozen):
    """A small Llama and its training.

    Attributes:
        hidden, layers, heads, ffn: sizes; `context`: tokens of a sequence.
        vocabulary: of a tokenizer of its own, which is fitted on the pool; not used with `tokenizer`.
        tokenizer: of this model, by name or folder; "" for one of its own.
        start: a checkpoint that training goes on from, by name or folder; "" for random weights. Its sizes and its
            tokenizer are then the proxy's.
        tokens: of one training; `batch`: sequences of a step; `rate`: the largest learning rate (AdamW; 5% warm-up, then a
            cosine to a tenth; with `start` it is constant after the warm-up).
    """

    hidden: PositiveInt = 128
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    ffn: PositiveInt = 384
    context: Annotated[int, Field(ge=2)] = 256
    vocabulary: PositiveInt = 8192
    tokenizer: str = ""
    start: str = ""
    tokens: PositiveInt = 2_000_000
    batch: PositiveInt = 16
    rate: PositiveFloat = 2e-3


class Bound(Frozen):
    """Where values of a parameter are drawn.

    Attributes:
        domain: None for every domain without its own.
        parameter: lambda, omega, eta, epsilon, or a criterion, whose share of the weights it is then.
    """

    domain: str | None
    parameter: str
    low: NonNegativeFloat
    high: NonNegativeFloat


class Search(Frozen):
    """`search { omega 0.01..0.5, runs 64, proxy { … } }`.

    Attributes:
        runs: draws that a proxy is trained on.
    """

    bounds: tuple[Bound, ...] = ()
    runs: PositiveInt = 256
    proxy: Proxy = Proxy()
