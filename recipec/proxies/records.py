"""What a proxy is, what it is trained on, and what came of it."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from recipec.ir.expressions import Frozen

RECORD_VERSION = 1
"""Raised when the trainer gives other losses, so that stored records are not used."""


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
    context: PositiveInt = 256
    vocabulary: PositiveInt = 8192
    tokenizer: str = ""
    start: str = ""
    tokens: PositiveInt = 2_000_000
    batch: PositiveInt = 16
    rate: PositiveFloat = 2e-3


class Training(Frozen):
    """One training: a name for people, a seed of weights and order, and the copies of each document.

    Attributes:
        copies: a file of integers (n,) in the order of the corpus' documents (.npy).
        keep: a folder for the trained model, "" for none.
    """

    name: str
    seed: int
    copies: str
    keep: str = ""


class Record(Frozen):
    """What a training came to.

    Attributes:
        losses: by target, mean nats a token on its held-out examples; smaller is better. Of a training that diverged those
            are missing that are no numbers.
        start: the same before the first step.
        tokens, steps: trained on; `epochs`: how often the documents were gone through.
        diverged: the step at which the loss was no number or had left all bounds, or None.
        key: the identity of what was trained.
    """

    version: Literal[1] = 1
    name: str
    seed: int
    losses: dict[str, float]
    start: dict[str, float]
    tokens: int
    steps: int
    epochs: float
    parameters: int
    seconds: NonNegativeFloat
    device: str
    diverged: int | None = None
    key: str
