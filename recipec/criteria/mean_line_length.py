"""`mean_line_length()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, filled_lines, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"list_sum(list_transform({filled_lines(text)}, lambda l: length(l)))", f"len({filled_lines(text)})")


SPEC = Criterion(
    name="mean_line_length",
    summary="Mean number of characters per non-empty line; 0 without such lines.",
    source="Li et al. 2023 (StarCoder), arXiv 2305.06161, section 3.2: keep at most 100 for code",
    params=NoParams,
    cost=0.015,
    sql=sql,
)
