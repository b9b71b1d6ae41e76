"""The definition of a search of sampling parameters: bounds, proxies, and the number of runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from recipec.ir.expressions import Frozen


class Proxy(Frozen):
    """A small Llama and its training.

    Attributes:
        hidden, layers, heads, ffn: sizes; `context`: tokens per sequence.
        vocabulary: size of the proxy's own tokenizer, which is trained on the pool; not used with `tokenizer`.
        tokenizer: the model, by name or folder, whose tokenizer is used; "" for its own tokenizer.
        start: the checkpoint, by name or folder, from which training continues; "" for random weights. The proxy then
            has its sizes and its tokenizer.
        tokens: tokens per training run; `batch`: sequences per step; `rate`: the largest learning rate (AdamW; 5%
            warm-up, then cosine decay to a tenth; with `start` it is constant after the warm-up).
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
    """The range from which values of a parameter are drawn.

    Attributes:
        domain: None for every domain without its own.
        parameter: lambda, omega, eta, epsilon, or a criterion; then it is the criterion's share of the weights.
    """

    domain: str | None
    parameter: str
    low: NonNegativeFloat
    high: NonNegativeFloat


class Search(Frozen):
    """`search { omega 0.01..0.5, runs 64, proxy { … } }`.

    Attributes:
        runs: the number of draws on which a proxy is trained.
    """

    bounds: tuple[Bound, ...] = ()
    runs: PositiveInt = 256
    proxy: Proxy = Proxy()
