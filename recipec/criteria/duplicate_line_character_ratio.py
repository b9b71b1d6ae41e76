"""`duplicate_line_character_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, filled_lines, repeated_characters
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return repeated_characters(filled_lines(text))


SPEC = Criterion(
    name="duplicate_line_character_ratio",
    summary="Share of the characters of lines that are in lines which repeat an earlier line, in [0, 1].",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, table A1: keep at most 0.20; Penedo et al. 2024 "
    "(FineWeb), arXiv 2406.17557, section 3.6: below 0.1",
    params=NoParams,
    direction="lower",
    cost=0.021,
    sql=sql,
)
