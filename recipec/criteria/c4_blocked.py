"""`c4_blocked()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return f"(contains({text}, '{{') OR contains({text}, '}}') OR contains(lower({text}), 'lorem ipsum'))"


SPEC = Criterion(
    name="c4_blocked",
    summary="Whether C4 drops the page because it contains a curly bracket (code) or `lorem ipsum`, in any case.",
    source="Raffel et al. 2020 (C4), arXiv 1910.10683, section 2.2: keep where false",
    params=NoParams,
    type="boolean",
    cost=0.002,
    sql=sql,
)
