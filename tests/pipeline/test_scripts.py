"""Datasets of texts in scripts without spaces: decontamination, and the standard filters."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.conftest import Run, rows

pytestmark = pytest.mark.slow

WORDS = {
    language: words.split()
    for language, words in {
        "zh": """
            天气 公园 散步 湖边 钓鱼 孩子 草地 奔跑 老人 聊天 空气 花香 学校 学生
            老师 图书 城市 河流 山水 经济 文化 历史 科学 技术 数学 音乐 旅行 食物 健康
            工作 家庭 朋友 时间 问题 方法 结果 研究 发展 社会 世界 国家 人民 语言 文字 思想 生活 自然 环境""",
        "ja": """
            天気 公園 歩く 魚 子供 走る 話す 空気 花 学校 学生 先生 図書館 町
            川 山 経済 文化 歴史 科学 テクノロジー 数学 音楽 旅行 たべもの 健康 仕事 家族
            ともだち 時間 もんだい 方法 結果 研究 発展 社会 世界 国 人びと ことば 文字 くらし 自然 コンピュータ""",
        "th": """
            อากาศ สวน เดิน ปลา เด็ก วิ่ง พูด ดอกไม้ โรงเรียน นักเรียน ครู หนังสือ เมือง แม่น้ำ ภูเขา
            เศรษฐกิจ วัฒนธรรม ประวัติศาสตร์ วิทยาศาสตร์ ดนตรี เดินทาง อาหาร สุขภาพ งาน ครอบครัว
            เพื่อน เวลา ปัญหา วิธี ผล วิจัย สังคม โลก ประเทศ ภาษา ชีวิต ธรรมชาติ""",
        "ar": """
            طقس حديقة يمشي سمك طفل يركض يتكلم زهرة مدرسة طالب معلم كتاب مدينة نهر جبل اقتصاد ثقافة
            تاريخ علوم تقنية رياضيات موسيقى سفر طعام صحة عمل عائلة صديق وقت مشكلة طريقة نتيجة بحث
            تطور مجتمع عالم دولة شعب لغة كلمة فكرة حياة طبيعة بيئة""",
        "hi": """
            मौसम बगीचा चलना मछली बच्चा दौड़ना बोलना फूल विद्यालय छात्र शिक्षक किताब शहर नदी पहाड़
            अर्थव्यवस्था संस्कृति इतिहास विज्ञान तकनीक गणित संगीत यात्रा भोजन स्वास्थ्य काम परिवार
            मित्र समय समस्या तरीका परिणाम शोध विकास समाज दुनिया देश लोग भाषा शब्द""",
    }.items()
}
SEPARATORS = {"zh": ("", "。"), "ja": ("", "。"), "th": ("", " "), "ar": (" ", "؟ "), "hi": (" ", "। ")}


def document(language: str, seed: int) -> str:
    """Six lines of sentences of eleven words each."""
    dice = random.Random(f"{language} {seed}")
    between, end = SEPARATORS[language]
    return "\n".join(
        "".join(between.join(dice.choices(WORDS[language], k=11)) + end for _ in range(3)).strip() for _ in range(6)
    )


def write(folder: Path, name: str, lines: list[dict[str, str]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(
        tmp_path,
        "a.jsonl",
        [
            {"id": f"{language}{n}", "text": document(language, n), "language": language}
            for language in WORDS
            for n in range(8)
        ],
    )
    return tmp_path


def recipe(folder: Path, rules: str) -> Path:
    source = 'source web { shards "a.jsonl", id id, text text, domain language }\n'
    (folder / "a.recipe").write_text(f'{source}{rules}\nsample all\noutput parquet "out"\n', encoding="utf-8")
    return folder / "a.recipe"


@pytest.mark.parametrize("name", ["gopher", "c4", "fineweb", "web"])
def test_standard_filters_keep_texts_of_every_script(folder: Path, run: Run, name: str) -> None:
    ended = run("apply", recipe(folder, f"use std.quality.{name}"), "--yes")
    assert ended.code == 0, ended.err
    found = rows(f"SELECT doc_id, rejected_by, evidence FROM '{folder}/out/ledger/*.parquet' WHERE copies = 0")
    assert found == []


def test_standard_filters_still_reject_repetition(folder: Path, run: Run) -> None:
    lines = [
        {"id": language, "text": document(language, 0).split("\n")[0] * 30, "language": language} for language in WORDS
    ]
    write(folder, "a.jsonl", lines)
    run("apply", recipe(folder, "use std.quality.gopher\nallow empty"), "--yes")
    found = rows(f"SELECT doc_id, rejected_by FROM '{folder}/out/ledger/*.parquet' ORDER BY doc_id")
    assert [row[0] for row in found] == sorted(WORDS)
    assert all(str(row[1]).startswith("duplicate_ngram_ratio") for row in found)


def test_prose_criteria_rank_texts_of_every_script(folder: Path, run: Run) -> None:
    """Also where no text has a share of English stop words."""
    curve = "sample quadmix { curve { lambda 500, omega 1, eta 1, epsilon 0.001 } }"
    path = recipe(folder, "use std.quality.prose")
    path.write_text(path.read_text(encoding="utf-8").replace("sample all", curve), encoding="utf-8")
    ended = run("apply", path, "--yes")
    assert ended.code == 0, ended.err
    ledger = f"'{folder}/out/ledger/*.parquet'"
    assert rows(f"SELECT count(*), count(score_prose_words), count(merged) FROM {ledger}") == [(40, 40, 40)]


def test_contamination_is_found_in_every_script_and_the_example_is_named(folder: Path, run: Run) -> None:
    examples = []
    for language in WORDS:
        examples += [{"text": document(language, 3).split("\n")[2]}, {"text": document(language, 99).split("\n")[0]}]
    write(folder, "qa.jsonl", [*examples, {"text": "？！"}])
    ended = run(
        "apply", recipe(folder, 'target qa { examples "qa.jsonl" }\nwhere not overlaps(qa, ngram: 13)'), "--yes"
    )
    assert ended.code == 0, ended.err
    assert "1 of 11 examples (the first: qa.jsonl:11) has no word and cannot be looked for" in ended.err
    found = rows(f"SELECT doc_id, evidence FROM '{folder}/out/ledger/*.parquet' WHERE copies = 0 ORDER BY doc_id")
    expected = {f"{language}3": f"qa.jsonl:{1 + 2 * n}: " for n, language in enumerate(WORDS)}
    assert {row[0]: row[1][row[1].index(" = ") + 3 :][: len(expected[row[0]])] for row in found} == expected
    said = run("explain", folder / "out", "zh3").out
    assert "qa.jsonl:1: " in said
