"""`recipec export scores`: stored scores as attributes, which another recipe joins."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recipec import pipeline
from recipec.execution import exporting
from tests import tiny_model
from tests.conftest import Run, rows, write_parquet

pytestmark = pytest.mark.slow

SOURCE = """source web {
  shards "data/**/*"
  id id
  text text
  tokens n
}
"""

SCORED = (
    SOURCE
    + """
where n > 5
where distinct_word_ratio() > 0.2 and duplicate_ngram_ratio(n: 5) < 0.9
criterion words = word_count() higher is better
criterion long = mean_word_length() lower is better
quality { weights { words 1, long 0.3 } }
sample quadmix { curve { omega 0.3 } }
budget 300 tokens
"""
)

JOINED = (
    SCORED.replace("  id id", "  ATTRIBUTES\n  id id")
    .replace("distinct_word_ratio()", "distinct_word_ratio")
    .replace("duplicate_ngram_ratio(n: 5)", "duplicate_ngram_ratio_n_5")
    .replace("word_count()", "column(words)")
    .replace("mean_word_length()", "column(long)")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Shards of two formats in two folders; some rows cannot be read, some are rejected."""
    select = (
        "SELECT 'd' || i AS id, repeat('word' || (i % 7) || ' ', (1 + i % 4) :: INTEGER) || 'other wor' || i AS text, "
        "5 + i % 13 AS n FROM range({0}, {0} + 40) AS r(i)"
    )
    write_parquet(tmp_path / "data/x/0.parquet", select.format(0))
    write_parquet(tmp_path / "data/y/z.parquet", select.format(40))
    lines = [json.dumps(dict(zip(("id", "text", "n"), row, strict=True))) for row in rows(select.format(80))]
    (tmp_path / "data/y/a.jsonl").write_text("\n".join([*lines[:7], "{", *lines[7:]]) + "\n")
    (tmp_path / "scored.recipe").write_text(SCORED + "allow bad 5%\n")
    return tmp_path


def digest(path: Path, text: str) -> str:
    path.write_text(text + "allow bad 5%\n")
    plan = pipeline.plan(path, {}).plan
    assert plan.exact
    assert plan.selection is not None
    return plan.selection.digest


@pytest.mark.parametrize("word", ["parquet", "jsonl"])
def test_joined_scores_select_what_computed_ones_select(folder: Path, run: Run, word: str) -> None:
    expected = digest(folder / "a.recipe", SCORED)
    result = run("export", "scores", folder / "scored.recipe", "-o", folder / "scores", "--format", word)
    suffix = "jsonl.zst" if word == "jsonl" else "parquet"
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"{folder}/scores: 3 files, 121 rows\n  web: distinct_word_ratio, duplicate_ngram_ratio_n_5, long, words\n"
    )
    found = sorted(str(path.relative_to(folder / "scores")) for path in (folder / "scores").rglob("*.*"))
    assert found == [exporting.NOTE, f"web/x/0.{suffix}", f"web/y/a.{suffix}", f"web/y/z.{suffix}"]
    for by in ("id", "row"):
        text = JOINED.replace("ATTRIBUTES", f'attributes "scores/web/**/*.{suffix}" by {by}')
        assert digest(folder / f"{by}.recipe", text) == expected


def test_a_file_has_a_row_per_row_of_its_shard(folder: Path, run: Run) -> None:
    assert run("export", "scores", folder / "scored.recipe", "-o", folder / "scores").code == 0
    found = rows(f"SELECT id, row, words FROM '{folder}/scores/web/y/a.parquet'")
    assert [row for _, row, _ in found] == list(range(41))
    assert found[7] == (None, 7, None)  # cannot be read
    assert found[11] == ("d90", 11, 5)
    assert found[12] == ("d91", 12, None)  # its `n` is 5, so that it is rejected before it is scored
    assert found[0] == ("d80", 0, 3)


def test_an_export_replaces_only_an_export(folder: Path, run: Run) -> None:
    scores, recipe = folder / "scores", folder / "scored.recipe"
    assert run("export", "scores", recipe, "-o", scores, "--format", "jsonl").code == 0
    assert run("export", "scores", recipe, "-o", scores).code == 0
    assert sorted(path.suffix for path in (scores / "web").rglob("*.*")) == [".parquet"] * 3
    for place, code in (
        (folder / "data", "R0605"),
        (folder, "R0602"),
        (folder / ".recipec/x", "R0605"),
        (folder / "data/scores", "R0605"),
    ):
        result = run("export", "scores", recipe, "-o", place)
        assert (result.code, code in result.err) == (1, True), result.err
    # Nor does it follow a note out of its folder.
    (folder / "kept").write_text("x")
    for note in (json.dumps({"files": ["../kept"]}), json.dumps({"files": [str(folder / "kept")]}), "["):
        (scores / exporting.NOTE).write_text(note)
        assert "R0602" in run("export", "scores", recipe, "-o", scores).err
        assert (folder / "kept").exists()


def test_a_killed_export_is_completed(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, recipe = folder / "scores", folder / "scored.recipe"
    whole = exporting._write
    calls = []

    def killed(*words: object) -> None:
        calls.append(words)
        if len(calls) == 2:
            raise KeyboardInterrupt
        whole(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(exporting, "_write", killed)
    assert run("export", "scores", recipe, "-o", scores).code == 130
    assert len(list(scores.rglob("*.parquet"))) == 1
    monkeypatch.undo()
    assert run("export", "scores", recipe, "-o", scores).code == 0
    assert len(list(scores.rglob("*.parquet"))) == 3


def test_names_keep_the_order_of_the_shards(folder: Path, run: Run) -> None:
    """Without their suffixes `a.jsonl` and `a.parquet` are the same, and `a-b` is before `a`."""
    os.rename(folder / "data/y/z.parquet", folder / "data/y/a.parquet")
    assert run("export", "scores", folder / "scored.recipe", "-o", folder / "scores").code == 0
    found = sorted(str(path.relative_to(folder / "scores/web")) for path in (folder / "scores").rglob("*.parquet"))
    assert found == ["000000-0.parquet", "000001-a.parquet", "000002-a.parquet"]
    expected = digest(folder / "a.recipe", SCORED)
    text = JOINED.replace("ATTRIBUTES", 'attributes "scores/web/*.parquet" by row')
    assert digest(folder / "row.recipe", text) == expected


def test_a_recipe_without_scores_has_nothing_to_export(folder: Path, run: Run) -> None:
    (folder / "b.recipe").write_text(SOURCE + "sample all\nallow bad 5%\n")
    result = run("export", "scores", folder / "b.recipe", "-o", folder / "scores")
    assert result.code == 1
    assert "error[R0730]: there are no scores to export" in result.err
    assert not (folder / "scores").exists()


@pytest.mark.slow
def test_scores_by_a_model_are_exported_where_they_are_stored(folder: Path, run: Run) -> None:
    tiny_model.build(folder / "tiny")
    recipe = folder / "b.recipe"
    perplexity = 'criterion surprise = perplexity(model: "tiny", length: 8) lower is better\nquality'
    text = SCORED.replace("quality", perplexity).replace("words 1,", "words 1, surprise 1,")
    recipe.write_text(text + "allow bad 5%\n")
    first = run("export", "scores", recipe, "-o", folder / "scores")
    assert first.code == 0, first.err
    assert first.out.splitlines()[1] == "  web: distinct_word_ratio, duplicate_ngram_ratio_n_5, long, words"
    said = '`perplexity(model: "tiny", length: 8)` of source `web` is not stored for 3 of 3 shards: it is left out'
    assert f"warning[R0731]: {said}" in first.err
    second = run("export", "scores", recipe, "-o", folder / "scores", "--score")
    assert (second.code, "R0731" in second.err) == (0, False), second.err
    assert "surprise" in second.out
    # What is stored now is exported without being asked for, and selects the same.
    third = run("export", "scores", recipe, "-o", folder / "scores")
    assert (third.out, third.err) == (second.out, "")
    joined = JOINED.replace("quality", "criterion surprise = column(surprise) lower is better\nquality")
    joined = joined.replace("words 1,", "words 1, surprise 1,").replace(
        "ATTRIBUTES", 'attributes "scores/web/**/*.parquet" by id'
    )
    plan = pipeline.plan(recipe, {}, score=True).plan
    assert plan.selection is not None
    assert digest(folder / "c.recipe", joined) == plan.selection.digest


def test_criteria_and_calls_of_the_same_name_stay_apart(folder: Path, run: Run) -> None:
    text = SCORED.replace("where n > 5", "where word_count() > 2").replace("long", "row")
    text = (
        text.replace("word_count() higher", "stop_words() higher")
        .replace("words", "word_count")
        .replace("stop_word_count", "stop_words")
    )
    (folder / "b.recipe").write_text(text + "allow bad 5%\n")
    result = run("export", "scores", folder / "b.recipe", "-o", folder / "scores", "--json")
    assert result.code == 0, result.err
    columns = json.loads(result.out)["columns"]["web"]
    assert sorted(columns) == [
        "distinct_word_ratio",
        "duplicate_ngram_ratio_n_5",
        "row_2",
        "word_count",
        "word_count_2",
    ]
