"""Words of `recipec.criteria`: tables of values, and slow obvious oracles on random texts."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec import spec

ENGINE = duckdb.connect()
WHITE = " \t\n\v\f\r"
TEXTS = st.lists(
    st.text(st.sampled_from("ab cd.!?#…\n\n  \t{}THEof019é“”-*'\"\0\U0001f600"), max_size=80)
    | st.lists(st.sampled_from(["the", "cat", "sat.", "\n", "\n\n", "and", "1.5", "...", "javascript"])).map(" ".join),
    min_size=1,
    max_size=6,
)


def values(word: str, texts: list[str], **arguments: object) -> list[object]:
    """What a word gives for texts, as the engine computes it."""
    extension = spec.find("criteria", word)
    params = extension.params(**arguments)
    if extension.batch is not None:
        return [None if value is None else value for value in extension.batch(texts, params).tolist()]
    table = "(SELECT unnest($1) AS text, unnest($2) AS place)"
    query = f"SELECT {extension.sql('text', params)} FROM {table} ORDER BY place"
    return [row[0] for row in ENGINE.execute(query, [texts, [*range(len(texts))]]).fetchall()]


def words(text: str) -> list[str]:
    return [word for word in re.split(r"[ \t\n\v\f\r]+", text) if word]


def lines(text: str) -> list[str]:
    return [line for line in (line.strip(WHITE) for line in text.split("\n")) if line]


def paragraphs(text: str) -> list[str]:
    return [
        part for part in (part.strip(WHITE) for part in re.split(r"\n[ \t\v\f\r]*(?:\n[ \t\v\f\r]*)+", text)) if part
    ]


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def repeated(pieces: list[str]) -> float:
    seen: set[str] = set()
    again = 0
    for piece in pieces:
        again += len(piece) if piece in seen else 0
        seen.add(piece)
    return share(again, sum(map(len, pieces)))


def c4_lines(text: str) -> list[str]:
    return [
        line
        for line in lines(text)
        if line[-1] in '.!?"”' and "javascript" not in line.lower() and len(re.split(r"[ \t\v\f\r]+", line)) >= 5
    ]


def sentences(text: str) -> int:
    return len(re.findall(r"[.!?]+[\"”]?(?:[ \t\n\v\f\r]|\Z)", text))


STOP = {"the", "be", "to", "of", "and", "that", "have", "with"}


def lower(text: str) -> str:
    return str(ENGINE.execute("SELECT lower($1)", [text]).fetchall()[0][0])


ORACLES: dict[str, Callable[[str], object]] = {
    "word_count": lambda t: len(words(t)),
    "mean_word_length": lambda t: share(sum(map(len, words(t))), len(words(t))),
    "symbol_ratio": lambda t: share(t.count("#") + t.count("...") + t.count("…"), len(words(t))),
    "alpha_ratio": lambda t: share(sum(any(c.isalpha() for c in w) for w in words(t)), len(words(t))),
    "bullet_ratio": lambda t: share(sum(line[0] in "•‣▪*-" for line in lines(t)), len(lines(t))),
    "ellipsis_ratio": lambda t: share(sum(line.endswith(("...", "…")) for line in lines(t)), len(lines(t))),
    "stop_words": lambda t: len(STOP & set(words(lower(t)))),
    "stop_word_share": lambda t: share(sum(w in STOP for w in words(lower(t))), len(words(t))),
    "digit_ratio": lambda t: share(sum(c in "0123456789" for c in t), len(t)),
    "uppercase_ratio": lambda t: share(sum("A" <= c <= "Z" for c in t), len(t)),
    "whitespace_ratio": lambda t: share(sum(c in WHITE for c in t), len(t)),
    "non_ascii_ratio": lambda t: share(len(t.encode()) - len(t), len(t.encode())),
    "line_count": lambda t: len(lines(t)),
    "mean_line_length": lambda t: share(sum(map(len, lines(t))), len(lines(t))),
    "longest_line": lambda t: max(map(len, lines(t)), default=0),
    "short_line_ratio": lambda t: share(sum(len(line) < 30 for line in lines(t)), len(lines(t))),
    "punctuated_line_ratio": lambda t: share(sum(line[-1] in '.!?"”' for line in lines(t)), len(lines(t))),
    "duplicate_line_ratio": lambda t: share(len(lines(t)) - len(set(lines(t))), len(lines(t))),
    "duplicate_line_character_ratio": lambda t: repeated(lines(t)),
    "duplicate_paragraph_ratio": lambda t: share(len(paragraphs(t)) - len(set(paragraphs(t))), len(paragraphs(t))),
    "duplicate_paragraph_character_ratio": lambda t: repeated(paragraphs(t)),
    "distinct_word_ratio": lambda t: share(len(set(words(lower(t)))), len(words(t))),
    "sentence_count": sentences,
    "c4_line_ratio": lambda t: share(len(c4_lines(t)), len(lines(t))),
    "c4_sentences": lambda t: sentences("\n".join(c4_lines(t))),
    "c4_blocked": lambda t: "{" in t or "}" in t or "lorem ipsum" in t.lower(),
}


@pytest.mark.parametrize("word", sorted(ORACLES))
@settings(max_examples=40, deadline=None)
@given(texts=TEXTS)
def test_heuristics_equal_their_oracles(word: str, texts: list[str]) -> None:
    found = values(word, texts)
    expected = [ORACLES[word](text) for text in texts]
    assert found == pytest.approx(expected, abs=1e-12), texts


def duplicate_ngrams(text: str, n: int) -> float:
    found = re.split(r"[ \t\n\v\f\r\0]+", text)
    found = [word for word in found if word]
    seen: set[tuple[str, ...]] = set()
    covered: set[int] = set()
    for start in range(len(found) - n + 1):
        ngram = tuple(found[start : start + n])
        if ngram in seen:
            covered.update(range(start, start + n))
        seen.add(ngram)
    return share(sum(len(found[place]) for place in covered), sum(map(len, found)))


def top_ngram(text: str, n: int) -> float:
    found = [word for word in re.split(r"[ \t\n\v\f\r\0]+", text) if word]
    counts = Counter(tuple(found[start : start + n]) for start in range(len(found) - n + 1))
    best = max(((count, sum(map(len, ngram))) for ngram, count in counts.items()), default=(0, 0))
    return min(share(best[0] * best[1] if best[0] > 1 else 0, sum(map(len, found))), 1.0)


@settings(max_examples=80, deadline=None)
@given(texts=TEXTS, n=st.integers(2, 4))
def test_ngram_ratios_equal_their_oracles(texts: list[str], n: int) -> None:
    assert values("duplicate_ngram_ratio", texts, n=n) == pytest.approx([duplicate_ngrams(t, n) for t in texts])
    assert values("top_ngram_ratio", texts, n=n) == pytest.approx([top_ngram(t, n) for t in texts])


def letters(text: str) -> list[str]:
    """The words of `overlaps`, of texts without scripts that have no spaces."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in plain).split()


def overlap(text: str, examples: list[str], n: int) -> str | None:
    found = letters(text)
    for size in range(n, 0, -1):
        # All n-grams of examples that have n words or more, and shorter examples as a whole.
        wanted = {
            tuple(words[i : i + size])
            for words in map(letters, examples)
            if size == n or len(words) == size
            for i in range(len(words) - size + 1)
        }
        hits = [found[i : i + size] for i in range(len(found) - size + 1) if tuple(found[i : i + size]) in wanted]
        if hits:
            return " ".join(hits[0])
    return None


def overlaps(texts: list[str], used: list[str], held: list[str], n: int) -> list[object]:
    extension = spec.find("criteria", "overlaps")
    params = extension.prepare(extension.params(target="t", ngram=n), used, held)
    found: list[object] = extension.batch(texts, params).tolist()
    return found


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS, examples=TEXTS, n=st.integers(1, 3))
def test_overlaps_equal_their_oracle(texts: list[str], examples: list[str], n: int) -> None:
    expected = [overlap(text, examples, n) for text in texts]
    try:
        assert overlaps(texts, examples, [], n) == expected
    except ValueError:
        assert expected == [None] * len(texts)


def test_overlaps_look_for_held_out_and_short_examples_too() -> None:
    long = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    short = "alpha beta gamma!"
    texts = [f"Before: {long.upper()}, after", f"x {short} y", "one two three", "alpha beta", ""]
    assert overlaps(texts, [short], [long], 13) == [
        "one two three four five six seven eight nine ten eleven twelve thirteen",
        "alpha beta gamma",
        None,
        None,
        None,
    ]


def test_overlaps_with_nothing_to_find_is_an_error() -> None:
    with pytest.raises(ValueError, match="no example has a word"):
        overlaps(["a"], ["!?", ""], [], 13)


def test_language_is_found() -> None:
    texts = [
        "The quick brown fox jumps over the lazy dog\nand runs away from it.",
        "Der schnelle braune Fuchs springt über den faulen Hund und läuft weg.",
        "",
    ]
    assert values("language", texts) == ["en", "de", "und"]
    english = np.array(values("language_score", texts, lang="en"))
    assert english[0] > 0.8
    assert english[1] < 0.1
    assert english[2] == 0


def test_language_needs_no_network() -> None:
    """In a process that tells of everything that reaches out of it, by the interpreter's own audit."""
    script = (
        "import sys\nout = {'socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'urllib.Request'}\n"
        "sys.addaudithook(lambda event, _: event in out and print(event))\n"
        "from recipec.criteria._languages import predictions\n"
        "print(predictions(['The quick brown fox jumps over the lazy dog.'], 1)[0][0][0])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "en\n"


@pytest.mark.parametrize("word", spec.own("criteria"))
def test_every_word_is_documented_and_complete(word: str) -> None:
    extension = spec.find("criteria", word)
    assert extension.name == word
    assert extension.summary.endswith(".")
    assert extension.source
    assert all(field.description for field in extension.params.model_fields.values())
    assert sum(way is not None for way in (extension.sql, extension.batch, extension.features)) == 1
    assert (extension.features is None) == (extension.wants is None)


def test_the_empty_text_has_every_value() -> None:
    for word in spec.own("criteria"):
        extension = spec.find("criteria", word)
        if extension.features is None and "target" not in extension.params.model_fields:
            assert values(word, ["", " \n"])[0] is not None, word
