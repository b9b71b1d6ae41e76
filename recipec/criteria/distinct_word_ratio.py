"""`distinct_word_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, ratio, words
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"list_unique({words(f'lower({text})')})", f"len({words(text)})")


SPEC = Criterion(
    name="distinct_word_ratio",
    summary="Number of distinct words, ignoring case, per word, in (0, 1]; 0 without words.",
    source="Laurençon et al. 2022 (ROOTS), arXiv 2303.03915, section 3.2 filters on word repetition; prose of "
    "500 words has about 0.5, below 0.2 is boilerplate",
    params=NoParams,
    direction="higher",
    cost=0.048,
    sql=sql,
    version=2,
)
