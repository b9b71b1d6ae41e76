"""`word_count()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, words
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return f"len({words(text)})"


SPEC = Criterion(
    name="word_count",
    summary="Number of words; 0 or more. White space separates words; in scripts without spaces (Chinese, Japanese, Thai, "
    "Lao, Khmer, Burmese) each character is one, by Unicode's default rules (UAX #29).",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A.1.1: keep 50 to 100,000 words",
    params=NoParams,
    type="integer",
    cost=0.017,
    sql=sql,
    version=2,
)
