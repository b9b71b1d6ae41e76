"""`digit_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"length({text}) - length(translate({text}, '0123456789', ''))", f"length({text})")


SPEC = Criterion(
    name="digit_ratio",
    summary="Share of characters that are digits 0-9, in [0, 1]; 0 for an empty text.",
    source="Laurençon et al. 2022 (ROOTS), arXiv 2303.03915, section 3.2 filters on shares of special "
    "characters; at most 0.2 is usual for prose",
    params=NoParams,
    direction="lower",
    cost=0.013,
    sql=sql,
)
