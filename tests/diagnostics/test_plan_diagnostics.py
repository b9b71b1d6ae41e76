"""What is found wrong only when the documents are looked at: plans/*.txt, in the form of cases/."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recipec import pipeline, resources
from recipec.cli import views
from recipec.diagnostics import ExitCode, Failure
from tests.conftest import write_parquet

CASES = sorted((Path(__file__).parent / "plans").glob("*.txt"))

INFEASIBLE = {"R0505", "R0506", "R0507", "R0509", "R1210"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_parquet(
        tmp_path / "data/a.parquet",
        "SELECT 'd' || i AS id, 'some text' AS text, 10 AS n, ['science', 'code'][1 + (i % 3 = 0) :: INTEGER] AS topic, "
        "i / 60.0 AS edu, CASE WHEN i > 3 THEN 1.0 END AS gap, CASE WHEN i = 51 THEN 900 ELSE 10 END AS uneven "
        "FROM range(60) AS r(i)",
    )
    (tmp_path / "qa.jsonl").write_text('{"q": "too short"}\n')
    (tmp_path / "marks.jsonl").write_text('{"q": "?!"}\n')
    wide = json.loads(resources.law("std.law.chinchilla"))
    wide |= {name: {"low": 1, "high": 1e15} for name in ("params", "tokens", "repetition")}
    (tmp_path / "wide.json").write_text(json.dumps(wide))
    (tmp_path / "empty.jsonl").write_text('{"q": null}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_the_text_of_a_mistake(case: Path, folder: Path) -> None:
    text, _, expected = case.read_text(encoding="utf-8").partition("----\n")
    recipe = Path("a.recipe")
    recipe.write_text(text, encoding="utf-8")
    code = case.stem.partition("_")[0]
    exit_code = ExitCode.OK
    try:
        diagnostics = pipeline.plan(recipe, {}).diagnostics
    except Failure as failure:
        diagnostics, exit_code = failure.diagnostics, failure.exit_code
    assert (exit_code == ExitCode.INFEASIBLE) == (
        code in INFEASIBLE or code == "quotas" or case.stem == "top_of_a_quota"
    )
    found = "\n".join(views.render(one) for one in diagnostics).replace(str(folder), "FOLDER")
    if os.environ.get("UPDATE"):
        case.write_text(f"{text}----\n{found}", encoding="utf-8")
        return
    assert found == expected
    assert f"[{code}]" in found or code[0] != "R"
