"""`mean_word_length()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, ratio, words
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"list_sum(list_transform({words(text)}, lambda w: length(w)))", f"len({words(text)})")


SPEC = Criterion(
    name="mean_word_length",
    summary="Mean number of characters per word; 0 for a text without words.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A.1.1: keep 3 to 10 characters",
    params=NoParams,
    cost=0.019,
    sql=sql,
)
