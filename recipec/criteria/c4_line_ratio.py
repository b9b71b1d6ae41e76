"""`c4_line_ratio(foreign: counted)`"""

from __future__ import annotations

from recipec.criteria._text import Foreign, c4_lines, filled_lines, ratio, unless, unpunctuated
from recipec.spec import Criterion


def sql(text: str, params: Foreign) -> str:
    return unless(params, unpunctuated(text), ratio(f"len({c4_lines(text)})", f"len({filled_lines(text)})"))


SPEC = Criterion(
    name="c4_line_ratio",
    summary="Share of lines that C4 keeps: at least 5 words, terminal punctuation, no `javascript`, in [0, 1]; "
    "`foreign: missing` gives null if most of the text is in Thai or Lao, which have no such punctuation.",
    source="Raffel et al. 2020 (C4), arXiv 1910.10683, section 2.2 keeps only such lines; as a document's share,"
    " at least 0.5 is prose",
    params=Foreign,
    direction="higher",
    cost=0.032,
    sql=sql,
    version=2,
)
