"""`language_score(lang: "en")`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recipec.arrays import Array
from recipec.criteria._languages import predictions
from recipec.spec import Criterion

LANGUAGES = 176


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    lang: str = Field(default="en", pattern=r"^[a-z]{2,3}$", description="an ISO 639 code")


def batch(texts: Sequence[str], params: Params) -> Array:
    return np.array(
        [dict(found).get(params.lang, 0.0) for found in predictions(texts, LANGUAGES, 1e-4)], dtype=np.float64
    )


SPEC = Criterion(
    name="language_score",
    summary="The probability that the first 2,000 characters are in the language `lang`, in [0, 1].",
    source="Joulin et al. 2016, arXiv 1612.03651, fastText's lid.176.ftz; FineWeb (arXiv 2406.17557, section 3.3) keeps "
    "English at 0.65 and above",
    params=Params,
    direction="higher",
    cost=0.125,
    batch=batch,
)
