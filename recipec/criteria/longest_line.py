"""`longest_line()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, filled_lines
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return f"coalesce(list_max(list_transform({filled_lines(text)}, lambda l: length(l))), 0)"


SPEC = Criterion(
    name="longest_line",
    summary="Number of characters in the longest line; 0 for an empty text.",
    source="Li et al. 2023 (StarCoder), arXiv 2305.06161, section 3.2: keep at most 1,000 for code",
    params=NoParams,
    type="integer",
    direction="lower",
    cost=0.015,
    sql=sql,
)
