"""`criterion vowels = vowel_share(letters: "aeiou")`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from recipec.spec import Criterion


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    letters: str = "aeiou"


def batch(texts: Sequence[str], params: Params) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([sum(letter in params.letters for letter in text) / max(len(text), 1) for text in texts])


SPEC = Criterion(
    name="vowel_share",
    summary="Share of characters that are vowels, in [0, 1].",
    source="Acme",
    params=Params,
    direction="higher",
    batch=batch,
)
