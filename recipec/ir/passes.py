"""What a score needs from a language model's forward pass over a document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recipec.ir.expressions import Frozen

CHARACTERS = 64
"""The number of characters to tokenise per token of the wanted length. A token has about 4 characters, so only texts
with long runs of a single character yield too few tokens; and a text of 30 MB costs no more than any other."""

Dtype = Literal["fp32", "bf16", "fp16"]


class Wanted(Frozen):
    """One kind of values from a forward pass over the first `length` tokens of a text, without special tokens.

    `neurons`: for each layer the indices of the `top_k` neurons of highest impact, the mean over tokens of |x_k| at the
    output of the projection (NAG, arXiv 2604.15706): (depth, top_k) uint16, ascending in each layer.
    `loss`: the mean negative log-likelihood (nats) of tokens 2 to n: float64, and n.

    Attributes:
        neurons: "up", "down", "q", "k", "v", "o", or a projection's own name; for `neurons`.
        depth: the number of layers, from the first; None for all.
        deactivated: for each layer, neurons of the projection `neurons` whose output is set to 0 during the pass.
    """

    kind: Literal["neurons", "loss"]
    model: str
    dtype: Dtype = "fp32"
    length: int = Field(ge=1)
    neurons: str = ""
    top_k: int = 0
    depth: int | None = None
    deactivated: tuple[tuple[int, ...], ...] = ()

    @property
    def characters(self) -> int:
        return self.length * CHARACTERS
