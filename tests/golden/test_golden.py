"""A recipe after every stage of the compiler, as texts to be read in a diff: `NAME.recipe` and beside it `NAME.ast.txt`,
`.model.txt`, `.logical.txt`, `.optimised.txt` (from `recipec show --stage`) and `.plan.txt` (from `recipec plan`).

`UPDATE=1 pytest tests/golden` writes them anew, to be read with care.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Run

RECIPES = sorted(Path(__file__).parent.glob("*.recipe"))

STAGES = ("ast", "model", "logical", "optimised", "plan")

SEAL = re.compile("(seal of the plan, .*:) [0-9a-f]{16}")
"""It depends on how this version of DuckDB writes the shards."""

LAST_COLUMN = re.compile(r" +(?:time|\S* ?\S+ (?:s|min|h))$|(?<=───)─+$", re.MULTILINE)
"""The estimated times, the last column of the steps, with its width: they depend on the machine."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a user who has the examples' data."""
    shutil.copytree(REPOSITORY / "examples/data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_stage(folder: Path, run: Run, recipe: Path, stage: str) -> None:
    shutil.copy(recipe, folder)
    result = run("plan", recipe.name) if stage == "plan" else run("show", recipe.name, "--stage", stage)
    assert result.code == 0, result.err
    text = result.out.replace(str(folder.resolve()), "FOLDER")
    if stage == "plan":
        text = SEAL.sub(r"\1 of its shards' bytes", LAST_COLUMN.sub("", text))
    text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    expected = recipe.with_name(f"{recipe.stem}.{stage}.txt")
    if os.environ.get("UPDATE"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_a_golden_recipe_is_in_canonical_form(run: Run) -> None:
    assert run("fmt", "--check", *RECIPES).code == 0


def test_every_text_has_its_recipe() -> None:
    texts = {path.name for path in Path(__file__).parent.glob("*.txt")}
    assert texts == {f"{recipe.stem}.{stage}.txt" for recipe in RECIPES for stage in STAGES}
