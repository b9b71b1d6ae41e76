"""What a proxy is trained on, and what came of it."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat

from recipec.ir.expressions import Frozen
from recipec.ir.search import Proxy

__all__ = ["Proxy", "Record", "Training"]

RECORD_VERSION = 1
"""Raised when the trainer gives other losses, so that stored records are not used."""


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
