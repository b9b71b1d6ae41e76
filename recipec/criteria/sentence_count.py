"""`sentence_count(foreign: counted)`"""

from __future__ import annotations

from recipec.criteria._text import Foreign, sentences, unless, unpunctuated
from recipec.spec import Criterion


def sql(text: str, params: Foreign) -> str:
    return unless(params, unpunctuated(text), sentences(text))


SPEC = Criterion(
    name="sentence_count",
    summary="Number of sentences: runs of . ! or ? followed by white space or the end, and runs of the marks of other scripts "
    "(。！？ ؟ ।); 0 or more, `foreign: missing` gives null if most of the text is in Thai or Lao, which have no such marks.",
    source="Raffel et al. 2020 (C4), arXiv 1910.10683, section 2.2: keep at least 3",
    params=Foreign,
    type="integer",
    direction="higher",
    cost=0.004,
    sql=sql,
    version=2,
)
