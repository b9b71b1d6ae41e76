"""`line_count()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, filled_lines
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return f"len({filled_lines(text)})"


SPEC = Criterion(
    name="line_count",
    summary="Number of non-empty lines; 0 or more.",
    source="counted as in Penedo et al. 2024 (FineWeb), arXiv 2406.17557, section 3.6",
    params=NoParams,
    type="integer",
    cost=0.015,
    sql=sql,
)
