"""`stop_word_share(foreign: counted)`"""

from __future__ import annotations

from recipec.criteria._text import STOP_WORDS, Foreign, not_latin, ratio, unless, words
from recipec.spec import Criterion


def sql(text: str, params: Foreign) -> str:
    stops = f"len(list_filter({words(f'lower({text})')}, lambda w: list_contains({STOP_WORDS}, w)))"
    return unless(params, not_latin(text), ratio(stops, f"len({words(text)})"))


SPEC = Criterion(
    name="stop_word_share",
    summary="Share of the words that are the, be, to, of, and, that, have or with, in [0, 1]; 0 without words, "
    "`foreign: missing` gives null if more words are in other scripts than the Latin one.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A.1.1 names the words; English prose has about "
    "0.15, so a floor of 0.06 rejects lists and tables",
    params=Foreign,
    direction="higher",
    cost=0.038,
    sql=sql,
    version=2,
)
