"""Every mistake that can be found in a recipe, with the whole text it gives: tests/cases/*.txt are the recipe, a line of
dashes, the diagnostics. `UPDATE=1 pytest tests/test_diagnostics.py` writes the lower half anew, to be read with care.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipec import pipeline
from recipec.cli import views
from recipec.diagnostics import CODES, Failure
from tests.conftest import REPOSITORY, write_parquet

CASES = sorted((REPOSITORY / "tests/cases").glob("*.txt"))

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
    (path / "qa.jsonl").write_text('{"q": "why"}\n')
    (path / "circle").mkdir()
    (path / "circle/a.recipe").write_text("use circle.b\n")
    (path / "circle/b.recipe").write_text("use circle.a\n")
    return path


def diagnostics(path: Path) -> str:
    try:
        found = pipeline.compile_recipe(path, {}).diagnostics
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
    assert f"[{code}]" in found or case.stem == "many_mistakes"


def test_every_code_has_a_test() -> None:
    tests = [*(REPOSITORY / "tests").glob("*.py"), *CASES]
    text = "\n".join(path.read_text(encoding="utf-8") for path in tests)
    assert [code for code in CODES if code not in text and code < "R09"] == []


def test_there_are_forty_and_more() -> None:
    assert len({path.stem[:5] for path in CASES if path.stem[0] == "R"}) >= 40
