"""`ellipsis_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, filled_lines, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(
        f"len(list_filter({filled_lines(text)}, lambda l: ends_with(l, '...') OR ends_with(l, '…')))",
        f"len({filled_lines(text)})",
    )


SPEC = Criterion(
    name="ellipsis_ratio",
    summary="Share of lines that end with an ellipsis (`...` or `…`), in [0, 1]; empty lines do not count.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A.1.1: keep below 0.3",
    params=NoParams,
    direction="lower",
    cost=0.016,
    sql=sql,
)
