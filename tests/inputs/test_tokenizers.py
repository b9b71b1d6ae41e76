"""`tokens by`: a tokenizer.json, a folder, or an installed model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import SOURCE, Run

tokenizers = pytest.importorskip("tokenizers")


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models with the model `ours`, whose tokenizer counts words."""
    monkeypatch.setenv("RECIPEC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache/models/ours"
    folder.mkdir(parents=True)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.save(str(folder / "tokenizer.json"))
    (folder / "recipec.json").write_text(json.dumps({"name": "ours", "origin": "a test", "digest": "0" * 64}))
    return folder


def tokens(world: Path, run: Run, name: str) -> tuple[int, str]:
    recipe = world / "a.recipe"
    recipe.write_text(SOURCE.replace("tokens n", f'tokens by "{name}"') + "sample all\n")
    result = run("plan", recipe, "--json")
    if result.code:
        return result.code, result.out
    return 0, str(sum(cell["tokens"] for cell in json.loads(result.out)["selection"]["cells"]))


def test_the_tokenizer_of_an_installed_model(world: Path, run: Run, cached: Path) -> None:
    shutil.copy(cached / "tokenizer.json", world / "words.json")
    counted = str(sum(10 + i % 13 for i in range(400)))
    for name in ("ours", "words.json", str(cached), "cache/models/ours"):
        assert tokens(world, run, name) == (0, counted), name


def test_a_folder_beside_the_recipe_comes_first(world: Path, run: Run, cached: Path) -> None:
    (world / "ours").mkdir()
    code, said = tokens(world, run, "ours")
    assert (code, "there is no tokenizer `ours`" in said) == (1, True)


@pytest.mark.parametrize(
    ("name", "helps"),
    [
        ("oors", ["did you mean `ours`?", "`recipec model add oors` installs a model with its tokenizer"]),
        ("none.json", []),
        ("models/none", []),
    ],
)
def test_how_to_get_one(world: Path, run: Run, cached: Path, name: str, helps: list[str]) -> None:
    code, said = tokens(world, run, name)
    [found] = json.loads(said)["diagnostics"]
    assert (code, found["code"]) == (1, "R0305")
    assert found["helps"] == [
        *helps,
        "name a tokenizer.json, a folder that has one, relative to the recipe, or an installed model",
    ]
    assert not (world / ".recipec").exists(), "nothing is indexed before"
