"""`c4_sentences(foreign: counted)`"""

from __future__ import annotations

from recipec.criteria._text import Foreign, c4_lines, sentences, unless, unpunctuated
from recipec.spec import Criterion


def sql(text: str, params: Foreign) -> str:
    return unless(params, unpunctuated(text), sentences(f"array_to_string({c4_lines(text)}, chr(10))"))


SPEC = Criterion(
    name="c4_sentences",
    summary="Number of sentences in the lines that C4 keeps: at least 5 words, terminal punctuation, no `javascript`; "
    "`foreign: missing` gives null if most of the text is in Thai or Lao, which have no such punctuation.",
    source="Raffel et al. 2020 (C4), arXiv 1910.10683, section 2.2: keep at least 3",
    params=Foreign,
    type="integer",
    direction="higher",
    cost=0.033,
    sql=sql,
    version=2,
)
