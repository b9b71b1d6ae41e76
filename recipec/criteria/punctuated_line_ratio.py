"""`punctuated_line_ratio()`"""

from __future__ import annotations

from recipec.criteria._text import TERMINAL, NoParams, filled_lines, ratio
from recipec.spec import Criterion


def sql(text: str, _: NoParams) -> str:
    return ratio(
        f"len(list_filter({filled_lines(text)}, lambda l: right(l, 1) IN {TERMINAL}))", f"len({filled_lines(text)})"
    )


SPEC = Criterion(
    name="punctuated_line_ratio",
    summary='Share of lines that end with terminal punctuation (. ! ? " ”), in [0, 1]; empty lines do not count.',
    source="Penedo et al. 2024 (FineWeb), arXiv 2406.17557, section 3.6: keep above 0.12",
    params=NoParams,
    direction="higher",
    cost=0.017,
    sql=sql,
)
