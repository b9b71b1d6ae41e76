"""Every mistake that can be found in a recipe, with the whole text it gives: cases/*.txt and, for further ways to
make them, errors/*.txt are the recipe, a line of dashes, the diagnostics. `UPDATE=1 pytest
tests/diagnostics/test_diagnostics.py` writes the lower half anew, to be read with care.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipec import pipeline
from recipec.cli import views
from recipec.diagnostics import CODES, Diagnostic, Failure
from tests.conftest import REPOSITORY, write_parquet

CASES = sorted(path for name in ("cases", "errors") for path in (Path(__file__).parent / name).glob("*.txt"))

SIDE = {
    "s": '{"id": "a", "mark": 1, "label": "x"}',
    "t": '{"id": "a", "mark": 2}',
    "ids": '{"id": "a", "row": 0}',
    "names": '{"name": "a", "mark": 1}',
    "ppl": '{"id": "a", "ppl": 1, "mark": 1}',
    "floats": '{"id": 0.5, "mark": 1}',
}
"""Files with attributes."""

ROW = "'a' AS id, 'some text' AS text, 2 AS n, 'a' AS topic, 0.5 AS edu, 0.1 AS ppl"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recipes of the cases find beside them."""
    path = tmp_path_factory.mktemp("cases")
    shard = write_parquet(path / "data/a.parquet", f"SELECT {ROW}")
    write_parquet(path / "mixed/a.parquet", f"SELECT {ROW}")
    write_parquet(path / "mixed/b.parquet", "SELECT 'a' AS id, 7 AS text")
    (path / "truncated.parquet").write_bytes(shard.read_bytes()[:-20])
    (path / "broken.json").write_text("{")
    (path / "broken.json.txt").write_text("a")
    (path / "negative.json").write_text('{"a": -1}')
    (path / "best.json").write_text('{"weights": {"omega_a": 0.2, "lambda": 100, "edu": 1, "ppl_a": 0.5, "omga_b": 1}}')
    (path / "wide.json").write_text('{"weights": {"omega": 1.5}}')
    (path / "only.json").write_text('{"weights": {"edu": 1, "ppl": 0}}')
    (path / "qa.jsonl").write_text('{"q": "why"}\n')
    (path / "side").mkdir()
    for name, line in SIDE.items():
        (path / f"side/{name}.jsonl").write_text(line + "\n")
    np.save(path / "side/a.npy", np.zeros((1, 2)))
    (path / "circle").mkdir()
    (path / "circle/a.recipe").write_text("use circle.b\n")
    (path / "circle/b.recipe").write_text("use circle.a\n")
    shutil.copytree(REPOSITORY / "examples/data", path / "examples/data")
    (path / "back.recipe").write_text("use a\nseed 1\n")
    return path


def diagnostics(path: Path, **overrides: str) -> str:
    found: Sequence[Diagnostic]
    try:
        found = pipeline.compile_recipe(path, overrides).diagnostics
    except Failure as failure:
        found = failure.diagnostics
    text = "\n".join(views.render(one) for one in found)
    return text.replace(str(Path.cwd()), "FOLDER")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_the_text_of_a_mistake(case: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text, _, expected = case.read_text(encoding="utf-8").partition("----\n")
    recipe = Path("a.recipe")
    recipe.write_text(text, encoding="utf-8")
    found = diagnostics(recipe)
    if os.environ.get("UPDATE"):
        case.write_text(f"{text}----\n{found}", encoding="utf-8")
        return
    assert found == expected
    code = case.stem.partition("_")[0]
    assert f"[{code}]" in found or case.stem.startswith("many_")


SET = (
    "param budget = 3K tokens\n"
    + (Path(__file__).parent / "cases/R0221_weights_sum_to_zero.txt")
    .read_text(encoding="utf-8")
    .partition("  quality")[0]
    + "  budget $budget\n"
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"budget": "4K"}, ""),
        (
            {"budgt": "4K"},
            """error[R0214]: `--set budgt=…`: the recipe has no such param
 --> a.recipe:1:1
  |
1 | param budget = 3K tokens
  | ^
  |
  = help: did you mean `budget`?
""",
        ),
        (
            {"budget": "20%"},
            """error[R0209]: expected a count of tokens, found a share in percent
  --> a.recipe:10:10
   |
10 |   budget $budget
   |          ^^^^^^^
""",
        ),
        (
            {"budget": "(4K"},
            """error[R0005]: `(` is never closed
 --> --set budget:1:16
  |
1 | param budget = (4K
  |                ^
  |
  = help: add `)`
""",
        ),
        (
            {"budget": "4K\nseed 1"},
            """error[R0215]: `--set budget=…`: expected one value
 --> --set budget:1:16
  |
1 | param budget = 4K
  |                ^^
""",
        ),
    ],
    ids=["unit left out", "R0214", "R0209", "R0005", "R0215"],
)
def test_the_text_of_a_mistake_in_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: dict[str, str], expected: str
) -> None:
    monkeypatch.chdir(folder)
    recipe = Path("set.recipe")
    recipe.write_text(SET)
    assert diagnostics(recipe, **written).replace("set.recipe", "a.recipe") == expected


def test_the_texts_of_files_that_are_no_recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert diagnostics(Path("none")) == (
        "error[R0001]: the recipe cannot be read: no such file or directory\n --> none\n"
    )
    assert diagnostics(Path("data")) == "error[R0001]: a folder is not a recipe\n --> data\n"
    recipe = Path("bytes.recipe")
    recipe.write_bytes(b"seed 1\nseed \xff\n")
    assert diagnostics(recipe) == (
        "error[R0002]: the recipe is not UTF-8: byte 0xff in line 2\n --> bytes.recipe\n  = help: save it as UTF-8\n"
    )
    recipe.write_bytes(b" " * 4_000_001)
    assert diagnostics(recipe) == (
        "error[R0014]: the recipe has 4,000,001 bytes, more than 4,000,000\n --> bytes.recipe\n"
    )


@pytest.mark.parametrize("name", ["many_mistakes", "many_kinds"])
def test_mistakes_are_told_in_the_order_of_the_lines(name: str) -> None:
    text = next(path for path in CASES if path.stem == name).read_text(encoding="utf-8")
    lines = [int(line) for line in re.findall(r"^ *--> a\.recipe:(\d+):", text, re.MULTILINE)]
    assert lines == sorted(lines)
    assert len(lines) >= 8


EXAMPLES = [
    re.findall(r"\w+|\s+|.", path.read_text(encoding="utf-8"))
    for path in sorted((REPOSITORY / "examples").glob("*.recipe"))
]
WORDS = sorted({word for pieces in EXAMPLES for word in pieces} | {"null", "%", "$x", "`a b`", "-", "not", "1e9", "KB"})


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(EXAMPLES), st.integers(0, 10_000), st.integers(0, 3), st.lists(st.sampled_from(WORDS), max_size=3)
)
def test_a_changed_example_gives_a_recipe_or_diagnostics(
    folder: Path, pieces: list[str], place: int, cut: int, words: list[str]
) -> None:
    place %= len(pieces)
    recipe = folder / "examples/changed.recipe"
    recipe.write_text("".join([*pieces[:place], *words, *pieces[place + cut :]]), encoding="utf-8")
    told = diagnostics(recipe)
    assert not told or re.match(r"(error|warning)\[R0[023]", told)


def test_every_code_has_a_test() -> None:
    tests = [path for kind in ("py", "txt") for path in (REPOSITORY / "tests").rglob(f"*.{kind}")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in tests)
    assert [code for code in CODES if code not in text and code < "R09"] == []


def test_there_are_forty_and_more() -> None:
    assert len({path.stem[:5] for path in CASES if path.stem[0] == "R"}) >= 40
