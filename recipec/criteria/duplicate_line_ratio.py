"""`duplicate_line_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import NoParams, filled_lines, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(f"len({filled_lines(text)}) - list_unique({filled_lines(text)})", f"len({filled_lines(text)})")


SPEC = Criterion(
    name="duplicate_line_ratio",
    summary="Share of lines that repeat an earlier line, in [0, 1]; empty lines do not count.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, table A1: keep at most 0.30",
    params=NoParams,
    direction="lower",
    cost=0.019,
    sql=sql,
)
