"""`whitespace_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import WHITESPACE, NoParams, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"length({text}) - length(translate({text}, {WHITESPACE}, ''))", f"length({text})")


SPEC = Criterion(
    name="whitespace_ratio",
    summary="Share of characters that are spaces, tabs or line ends, in [0, 1]; 0 for an empty text.",
    source="Laurençon et al. 2022 (ROOTS), arXiv 2303.03915, section 3.2 counts them among special characters; "
    "prose has about 0.17, at most 0.4 rejects tables",
    params=NoParams,
    direction="lower",
    cost=0.013,
    sql=sql,
)
