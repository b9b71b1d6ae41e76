"""Damage to what models leave in the state folder: features, scores, cascades, corpora and records of proxies."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests import tiny_model
from tests.conftest import LONG, SOURCE, Run, write_parquet
from tests.pipeline.damage import apply, cut, flip, stored

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

RECIPE = (
    "seed 3\n"
    + SOURCE
    + """target law {
  examples "law.txt"
}
criterion law = nag(target: law, model: "tiny", top_k: 5, length: 30)
criterion ppl = perplexity(model: "tiny", length: 30)
quality {
  weights {
    law 0.5
    ppl 0.5
  }
}
sample quadmix {
  curve { omega 0.6, lambda 20 }
}
budget 300 tokens
output parquet "out"
"""
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    root = tmp_path / "world"
    tiny_model.build(root / "tiny")
    texts = ", ".join(f"'{tiny_model.text(seed, 5 + seed % 20)}'" for seed in range(60))
    columns = "'d' || i AS id, t AS text, 5 + i % 7 AS n, if(i % 2 = 0, 'a', 'b') AS topic"
    numbered = f"SELECT unnest([{texts}]) AS t, unnest(range(60)) AS i"
    for part in range(2):
        write_parquet(root / f"data/{part}.parquet", f"SELECT {columns} FROM ({numbered}) WHERE i % 2 = {part}")
    (root / "law.txt").write_text("\n".join(tiny_model.text(11 + 18 * n, 30) for n in range(6)))
    path = root / "r.recipe"
    path.write_text(RECIPE)
    return path


def test_damaged_scores_and_features_are_made_again(recipe: Path, tmp_path: Path, run: Run) -> None:
    whole, said = apply(run, recipe)
    assert "made again" not in said
    state = recipe.parent / ".recipec"
    copy = shutil.copytree(state, tmp_path / "copy")
    names = [path.relative_to(state) for path in stored(recipe) if path.suffix == ".parquet" or path.name == "sums"]
    assert {path.parts[0] for path in names} == {"steps", "features"}
    met = set()
    kinds = [[name for name in names if name.parts[0] == kind] for kind in ("steps", "features")]
    for number, name in enumerate(name for mine in kinds for name in mine[:: 1 if LONG else 4]):
        shutil.rmtree(state)
        shutil.copytree(copy, state)
        if name.parts[0] == "features":
            # They are read where a score is missing.
            shutil.rmtree(state / "steps")
        (flip, cut)[number % 2](state / name, random.Random(number))
        damaged = (state / name).read_bytes()
        found, said = apply(run, recipe)
        assert [file for file in whole if found.get(file) != whole[file]] == []
        after = (state / name).read_bytes() if (state / name).exists() else b""
        assert after == damaged or "is made again" in said, name
        if after != damaged:
            met.add(name.parts[0])
    assert met == {"steps", "features"}


def test_after_gc_no_model_runs_again(recipe: Path, run: Run) -> None:
    apply(run, recipe)
    before = {path: path.read_bytes() for path in stored(recipe) if path.parent.name != ".recipec"}
    assert run("gc", recipe.parent).code == 0
    assert {path: path.read_bytes() for path in stored(recipe) if path.parent.name != ".recipec"} == before
    recipe.unlink()
    shutil.rmtree(recipe.parent / "out")
    (recipe.parent / "other.recipe").write_text(RECIPE.replace("top_k: 5", "top_k: 6"))
    assert run("gc", recipe.parent).code == 0
    left = [path for path in stored(recipe) if path.relative_to(recipe.parent / ".recipec").parts[0] == "features"]
    # Perplexity is of the same model; the other neurons were never stored.
    assert {path.parent for path in left} < {path.parent for path in before if "features" in path.parts}
