"""`symbol_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, occurrences, ratio, words
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(
        f"{occurrences(text, '#')} + {occurrences(text, '...')} + {occurrences(text, '…')}", f"len({words(text)})"
    )


SPEC = Criterion(
    name="symbol_ratio",
    summary="Number of hash signs and ellipses (`...` or `…`) per word; 0 for a text without words.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A.1.1: keep below 0.1",
    params=NoParams,
    direction="lower",
    cost=0.02,
    sql=sql,
    version=2,
)
