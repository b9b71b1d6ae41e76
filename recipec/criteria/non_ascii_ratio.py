"""`non_ascii_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"strlen({text}) - length({text})", f"strlen({text})")


SPEC = Criterion(
    name="non_ascii_ratio",
    summary="Share of the bytes of the UTF-8 text beyond the first of each character, in [0, 1]; 0 for an empty text.",
    source="a language-neutral relative of ROOTS' special characters, arXiv 2303.03915, section 3.2; no "
    "threshold fits all languages",
    params=NoParams,
    cost=0.001,
    sql=sql,
)
