"""Words of texts in scripts with and without spaces: UAX #29, by the `regex` package, and the former words of ASCII."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec import spec
from recipec.criteria import _ngrams, _scripts, _text
from tests.criteria.test_criteria import ORACLES, duplicate_ngrams, overlap, top_ngram, values

pytestmark = pytest.mark.slow

ENGINE = duckdb.connect()

CHINESE = "今天天气很好，我们一起去公园散步。许多人在湖边钓鱼，孩子们在草地上奔跑！老人们坐在树下聊天。"
JAPANESE = "東京タワーは1958年に完成した。高さは333メートルです。"
THAI = "วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนสาธารณะด้วยกัน"
ARABIC = "ذهب الطالب إلى المدرسة في الصباح، وقال لمعلمه: كيف حالك اليوم؟ ثم جلس في مكانه وفتح كتابه."
HINDI = "यह एक सुंदर दिन है। बच्चे मैदान में खेल रहे हैं। हम बाज़ार जा रहे हैं।"

ASCII = st.text(st.characters(max_codepoint=127), max_size=80) | st.lists(
    st.sampled_from(["the", "cat", "sat.", "\n", "-", "3.5", "it's", "The", "..."])
).map(" ".join)

CLUSTERS = regex.findall(
    r"\S+",
    "a b 1 好 天 き の か\u3099 ア イー ヴ ｱﾞ ー ก กี่ เ ด้ ำ น ไ ๒ ດ ແ ນີ້ လ ကို များ မြ န် ខ្ញុំ ស្រ ឡា ញ់ é e\u0301 й ع "
    "مَ हिं दी 한 국 葛\U000e0100 𠮷 ᨠᩣ",
)

EVERYTHING = "ab.,-'1“”…—。、「」好天々きのアイー・ｱﾞกเี่้ำ๒ไ\u0301\u3099\ufe0f\u200d \n\u3000\xa0éйعहिंに한국😀🇩　①\0"


def in_sql(expression: str, texts: list[str]) -> list[Any]:
    table = "(SELECT unnest($1 :: VARCHAR[]) AS text, unnest($2) AS place)"
    query = f"SELECT {expression} FROM {table} ORDER BY place"
    return [row[0] for row in ENGINE.execute(query, [texts, [*range(len(texts))]]).fetchall()]


def in_numpy(texts: list[str], kinds: Callable[[], Any] = _scripts.kinds) -> list[list[str]]:
    found = _ngrams.words(texts, kinds)
    result: list[list[str]] = [[] for _ in texts]
    for number, text in enumerate(found.text):
        result[text].append(found.shown(number))
    return result


def of_unicode(text: str) -> list[str]:
    """The words of UAX #29 that have a letter or a digit."""
    return [word for word in regex.split(r"(?V1w)\b", text) if regex.search(r"[\p{L}\p{N}]", word)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*CLUSTERS, " ", "\n", "\u3000", "\u200b"]), max_size=12).map("".join))
def test_words_without_punctuation_are_those_of_unicode(text: str) -> None:
    assert in_sql(_text.words("text"), [text]) == [of_unicode(text)]
    assert in_numpy([text], _scripts.kinds_of_letters) == [of_unicode(text)]


def test_every_character_of_the_tables_has_its_part_in_unicode() -> None:
    def assigned(ranges: str) -> list[str]:
        found = (chr(code) for first, last in _scripts.spans(ranges) for code in range(first, last + 1))
        return [character for character in found if not regex.match(r"\p{Cn}", character)]

    def pieces(text: str) -> int:
        return len([piece for piece in regex.split(r"(?V1w)\b", text) if piece])

    assert [one for one in assigned(_scripts.SINGLE) if pieces(one + one) != 2] == ["々"]
    assert [one for one in assigned(_scripts.KATAKANA) if pieces(f"ア{one}ア") != 1] == []
    assert [one for one in assigned(_scripts.MARKS) if pieces(f"好{one}") != 1] == []


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.sampled_from(EVERYTHING), max_size=14), min_size=1, max_size=5))
def test_words_are_the_same_in_sql_and_numpy(texts: list[str]) -> None:
    # For numpy, NUL separates texts, and words as well.
    texts = [text.replace("\0", " ") for text in texts]
    assert in_numpy(texts) == in_sql(_text.words("text"), texts)


FORMER = r"list_filter(string_split_regex(text, '[ \t\n\v\f\r]+'), lambda w: w <> '')"


@settings(max_examples=200, deadline=None)
@given(st.lists(ASCII, min_size=1, max_size=5))
def test_words_of_ascii_are_what_they_were(texts: list[str]) -> None:
    assert in_sql(_text.words("text"), texts) == in_sql(FORMER, texts)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ASCII, min_size=1, max_size=5), n=st.integers(2, 4))
def test_values_of_ascii_are_what_they_were(texts: list[str], n: int) -> None:
    for word, oracle in ORACLES.items():
        assert values(word, texts) == [oracle(text) for text in texts], word
    assert values("duplicate_ngram_ratio", texts, n=n) == [duplicate_ngrams(text, n) for text in texts]
    assert values("top_ngram_ratio", texts, n=n) == [top_ngram(text, n) for text in texts]


def test_each_script_has_words() -> None:
    assert values("word_count", [CHINESE, JAPANESE, THAI, ARABIC, HINDI]) == [41, 18, 39, 17, 16]
    assert in_sql(_text.words("text"), ["他说：“你好”。", JAPANESE[:15], "ปี ๒๕๖๗ นี้"]) == [
        ["他", "说：“", "你", "好”。"],
        ["東", "京", "タワー", "は", "1958", "年", "に", "完", "成", "し"],
        ["ปี", "๒๕๖๗", "นี้"],
    ]
    assert in_sql(_text.words("text"), ["un\xa0mot\u2003ici", "བོད་ཡིག"]) == [["un", "mot", "ici"], ["བོད", "ཡིག"]]


def test_rules_without_a_meaning_for_a_script_have_no_value() -> None:
    texts = [CHINESE, JAPANESE, THAI, ARABIC, HINDI, f"The words of {CHINESE[:3]} and that of the cat", ""]
    assert [value is None for value in values("stop_words", texts, foreign="missing")] == [True] * 5 + [False, False]
    assert values("stop_word_share", texts)[5] == 6 / 11
    assert [value is None for value in values("mean_word_length", texts, foreign="missing")] == [True] * 3 + [False] * 4
    assert values("mean_word_length", texts)[5] == 25 / 8
    for word in RULES:
        assert [value is None for value in values(word, texts, foreign="missing")] == [False] * 2 + [True] + [
            False
        ] * 4, word
    for word in (*RULES, "stop_words", "stop_word_share", "mean_word_length"):
        assert all(isinstance(value, int | float) and value >= 0 for value in values(word, texts)), word


RULES = ("c4_sentences", "c4_line_ratio", "sentence_count", "punctuated_line_ratio")


def test_sentences_end_in_every_script_that_ends_them() -> None:
    assert values("sentence_count", [CHINESE, JAPANESE, ARABIC, HINDI, "A b. C?! 3.5"]) == [3, 2, 2, 3, 2]
    lines = [CHINESE, ARABIC.partition("؟")[0] + "؟", HINDI, "「はい。」", "没有句号"]
    assert values("punctuated_line_ratio", lines) == [1, 1, 1, 1, 0]
    assert values("c4_sentences", [f"{CHINESE}\n短。\n{CHINESE}"]) == [6]


@pytest.mark.parametrize(("alphabet", "scale"), [("天气很好,。 ", 1), ("กาเดิ่นไป ", 4), ("กาเ天气好", None)])
@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(2, 4))
def test_ngrams_of_characters_are_those_of_words_between_spaces(
    alphabet: str, scale: int | None, data: st.DataObject, n: int
) -> None:
    """The oracle of English words, for texts whose words are pulled apart; those of Thai are parts of words."""
    texts = data.draw(st.lists(st.text(st.sampled_from(alphabet), max_size=40), min_size=1, max_size=4))
    for text, found in zip(texts, in_sql(_text.words("text"), texts), strict=True):
        parts = sum("ก" <= word[0] <= "ไ" for word in found)
        size = n * (scale or (4 if 2 * parts > len(found) else 1))
        assert values("duplicate_ngram_ratio", [text], n=n) == [duplicate_ngrams(" ".join(found), size)]
        assert values("top_ngram_ratio", [*texts, text], n=n)[-1] == top_ngram(" ".join(found), size)


def overlaps(texts: list[str], examples: list[str], n: int = 13) -> list[object]:
    extension = spec.find("criteria", "overlaps")
    found: list[object] = extension.batch(texts, extension.prepare(extension.params(target="t", ngram=n), examples, []))
    return list(found)


@pytest.mark.parametrize("example", [CHINESE, JAPANESE, THAI, ARABIC, HINDI])
@pytest.mark.parametrize("other", [CHINESE, JAPANESE, THAI, ARABIC, HINDI])
def test_examples_are_found_within_texts_of_their_script(example: str, other: str) -> None:
    found, missed = overlaps([other[:8] + example + other[-8:], other[5:15]], [example[: len(example) // 2 * 2]], 12)
    assert found is not None
    assert (missed is None) or example == other


def test_overlaps_do_not_depend_on_how_characters_are_written() -> None:
    example = "The length is 5cm, café “naïve” co-operate"
    text = "the LENGTH\xa0is ５ｃｍ; cafe\u0301 'nai\u0308ve' co-\u00adope\u200drate"
    assert overlaps([text], [example]) == ["the length is 5cm café naïve co operate"]


@settings(max_examples=60, deadline=None)
@given(st.lists(ASCII, min_size=1, max_size=4), st.lists(ASCII, min_size=1, max_size=3), st.integers(1, 4))
def test_overlaps_are_found_in_ascii_as_by_the_oracle(texts: list[str], examples: list[str], n: int) -> None:
    expected = [overlap(text, examples, n) for text in texts]
    try:
        assert overlaps(texts, examples, n) == expected
    except ValueError:
        assert expected == [None] * len(texts)


def test_ngrams_of_thai_are_as_long_as_their_words() -> None:
    example = "ประเทศไทยตั้งอยู่ในภูมิภาคเอเชียตะวันออกเฉียงใต้ มีพรมแดนติดกับประเทศเพื่อนบ้านหลายประเทศ"
    part = example[:60]
    assert len(in_numpy([part])[0]) >= 40
    assert overlaps([part, f"ก{example}ก"], [example]) == [None, f"{example}"[:66]]
    assert overlaps([f"ก{part}ก"], [part]) == [part]


def test_examples_that_cannot_be_looked_for_are_counted() -> None:
    extension = spec.find("criteria", "overlaps")
    examples = [
        spec.Example("???", "qa.jsonl:3"),
        spec.Example("Yes", "qa.jsonl:1"),
        spec.Example("一二三四五六七八九十", "b.jsonl:2"),
    ]
    prepared = extension.prepare(extension.params(target="t"), examples[:2], examples[2:])
    assert extension.cautions(prepared) == (
        "1 of 3 examples (the first: qa.jsonl:3) has no word and cannot be looked for",
        "1 of 3 examples (the first: qa.jsonl:1) has fewer than 8 words, which texts may hold by chance",
    )
    texts = ["oh, yes!", "前一二三四五六七八九十后", "一二三四五六七八九"]
    assert extension.batch(texts, prepared).tolist() == [
        "qa.jsonl:1: yes",
        "b.jsonl:2: 一二三四五六七八九十",
        None,
    ]
    few = extension.prepare(extension.params(target="t", ngram=2), ["a b", "c d e"], [])
    assert extension.cautions(few) == ()


def test_an_example_keeps_its_place_in_another_process() -> None:
    again = pickle.loads(pickle.dumps(spec.Example("text", "a.jsonl:1")))
    assert (again, again.place) == ("text", "a.jsonl:1")
