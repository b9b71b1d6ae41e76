"""The definition of a proxy's training, and the record of its result."""

from __future__ import annotations

from typing import Literal

from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.ir.search import Proxy

__all__ = ["Proxy", "Record", "Training"]

RECORD_VERSION = 1
"""Increased when the trainer gives other losses, so that stored records are not used."""


class Training(Frozen):
    """One training: a name for people, a seed of weights and order, and the copies of each document.

    Attributes:
        copies: a file (.npy) of integers (n,) in the order of the corpus' documents.
        keep: a folder for the trained model, "" for none.
    """

    name: str
    seed: int
    copies: str
    keep: str = ""


class Record(Frozen):
    """The result of a training.

    Attributes:
        losses: by target, mean nats per token on its held-out examples; smaller is better. A diverged training lacks
            losses that are not finite.
        start: the same before the first step.
        tokens, steps: tokens trained on and steps taken; `epochs`: passes over the documents.
        diverged: the step at which the loss was not finite or exceeded the bound, or None.
        key: the identity of the training.
    """

    version: Literal[1] = 1
    name: str
    seed: closed.Whole
    losses: dict[str, closed.Number]
    start: dict[str, closed.Number]
    tokens: closed.Count
    steps: closed.Count
    epochs: closed.Amount
    parameters: closed.Count
    seconds: closed.Amount
    device: str
    diverged: closed.Count | None = None
    key: closed.Key
