"""`duplicate_paragraph_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, paragraphs, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"len({paragraphs(text)}) - list_unique({paragraphs(text)})", f"len({paragraphs(text)})")


SPEC = Criterion(
    name="duplicate_paragraph_ratio",
    summary="Share of paragraphs (separated by empty lines) that repeat an earlier one, in [0, 1].",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, table A1: keep at most 0.30",
    params=NoParams,
    direction="lower",
    cost=0.014,
    sql=sql,
)
