"""`punctuated_line_ratio(foreign: counted)`"""

from __future__ import annotations

from recipec.criteria._text import Foreign, ends, filled_lines, ratio, unless, unpunctuated
from recipec.spec import Criterion


def sql(text: str, params: Foreign) -> str:
    ended = f"len(list_filter({filled_lines(text)}, lambda l: {ends('l')}))"
    return unless(params, unpunctuated(text), ratio(ended, f"len({filled_lines(text)})"))


SPEC = Criterion(
    name="punctuated_line_ratio",
    summary='Share of lines that end with terminal punctuation (. ! ? " ” and those of other scripts: 。 ؟ ।), in [0, 1]; '
    "empty lines do not count; `foreign: missing` gives null if most of the text is in Thai or Lao, which have no such "
    "punctuation.",
    source="Penedo et al. 2024 (FineWeb), arXiv 2406.17557, section 3.6: keep above 0.12",
    params=Foreign,
    direction="higher",
    cost=0.017,
    sql=sql,
    version=2,
)
