"""`alpha_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, ratio, words
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"len(list_filter({words(text)}, lambda w: regexp_matches(w, '\\pL')))", f"len({words(text)})")


SPEC = Criterion(
    name="alpha_ratio",
    summary="Share of words with at least one letter, in [0, 1]; 0 for a text without words.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A.1.1: keep at least 0.8",
    params=NoParams,
    direction="higher",
    cost=0.025,
    sql=sql,
    version=2,
)
