"""`stop_words(foreign: counted)`"""

from __future__ import annotations

from recipec.criteria._text import STOP_WORDS, Foreign, not_latin, unless, words
from recipec.spec import Criterion


def sql(text: str, params: Foreign) -> str:
    return unless(params, not_latin(text), f"len(list_intersect({words(f'lower({text})')}, {STOP_WORDS}))")


SPEC = Criterion(
    name="stop_words",
    summary="How many of the eight words the, be, to, of, and, that, have, with occur, 0 to 8, ignoring "
    "case; `foreign: missing` gives null if more words are in other scripts than the Latin one.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A.1.1: keep at least 2",
    params=Foreign,
    type="integer",
    direction="higher",
    cost=0.024,
    sql=sql,
    version=2,
)
