"""`uppercase_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"length({text}) - length(translate({text}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', ''))", f"length({text})")


SPEC = Criterion(
    name="uppercase_ratio",
    summary="Share of characters that are capital letters A-Z, in [0, 1]; 0 for an empty text.",
    source="Penedo et al. 2023 (RefinedWeb), arXiv 2306.01116, appendix G.2 drops lines that are mostly "
    "capitals; at most 0.3 is usual",
    params=NoParams,
    direction="lower",
    cost=0.01,
    sql=sql,
)
