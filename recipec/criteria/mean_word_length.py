"""`mean_word_length(foreign: counted)`"""

from __future__ import annotations

from recipec.criteria._text import Foreign, ratio, spaced_words, unless, words
from recipec.spec import Criterion


def sql(text: str, params: Foreign) -> str:
    spaced = spaced_words(text)
    mean = ratio(f"list_sum(list_transform({spaced}, lambda w: length(w)))", f"len({spaced})")
    return unless(params, f"2 * len({spaced}) < len({words(text)})", mean)


SPEC = Criterion(
    name="mean_word_length",
    summary="Mean number of characters per word that white space separates; 0 for a text without any; "
    "`foreign: missing` gives null if most of its words are characters of a script without spaces.",
    source="Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A.1.1: keep 3 to 10 characters",
    params=Foreign,
    cost=0.019,
    sql=sql,
    version=2,
)
