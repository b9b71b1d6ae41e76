"""`duplicate_paragraph_character_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, paragraphs, repeated_characters
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return repeated_characters(paragraphs(text))


SPEC = Criterion(
    name="duplicate_paragraph_character_ratio",
    summary="Share of the characters of paragraphs that are in paragraphs which repeat an earlier one, in [0, 1].",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, table A1: keep at most 0.20",
    params=NoParams,
    direction="lower",
    cost=0.015,
    sql=sql,
)
