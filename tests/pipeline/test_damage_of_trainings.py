"""Damage to what measurements, trainings and cascades leave in the state folder: the same command says the same, with a note."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tiny_model
from tests.conftest import SOURCE, Run, write_parquet
from tests.pipeline.damage import Damage, apply, cut, flip, garbage, gone

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

TARGETED = (
    "seed 3\n"
    + SOURCE
    + """target law {
  examples "law.txt"
  holdout 30%
}
"""
)

MIXED = TARGETED + 'budget 1_500 tokens\nmixture tikmix(checkpoint: "tiny", tokens: 300, length: 30, parts: 2)\n'

SEARCHED = (
    TARGETED
    + """criterion one = column(one) higher is better
repeat at most 4 times
budget 1_500 tokens
search {
  omega 0.05..0.9
  runs 6
"""
    + tiny_model.proxy(1_000)
    + "}\n"
)

CASCADED = TARGETED + (
    'criterion law = nag(target: law, model: "tiny", top_k: 5, length: 30, cascade: recall 80%)\n'
    "sample top 40% by law\n" + 'output parquet "out"\n'
)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    root = tmp_path / "world"
    tiny_model.build(root / "tiny")
    texts = ", ".join(f"'{tiny_model.text(3 * n + n % 3, 30, least=0.001)}'" for n in range(120))
    numbered = f"SELECT unnest([{texts}]) AS t, unnest(range(120)) AS i"
    columns = "'d' || i AS id, t AS text, 40 AS n, ['a', 'b'][1 + i % 2] AS topic, (i * 79 % 120) / 120.0 AS one"
    write_parquet(root / "data/0.parquet", f"SELECT {columns} FROM ({numbered})")
    (root / "law.txt").write_text("\n".join(tiny_model.text(3 * n, 20, least=0.001) for n in range(20)))
    return root


def reweighted(run: Run, root: Path) -> tuple[object, str]:
    result = run("plan", root / "r.recipe", "--score", "--json", "--device", "cpu")
    assert result.code == 0, result.err
    return json.loads(result.out)["reweighting"], result.err


def searched(run: Run, root: Path) -> tuple[object, str]:
    words = ("--folds", "2", "--candidates", "300", "--no-confirm", "--device", "cpu", "--json")
    result = run("search", root / "r.recipe", *words)
    assert result.code == 0, result.err
    value = json.loads(result.out)
    # What says how long a training took is of that training.
    return {name: one for name, one in value.items() if name != "records"}, result.err


def applied(run: Run, root: Path) -> tuple[object, str]:
    return apply(run, root / "r.recipe")


KINDS: dict[str, tuple[str, Callable[[Run, Path], tuple[object, str]], dict[str, str]]] = {
    "influence": (
        MIXED,
        reweighted,
        # What is read first, and what that is made of, which is only read without it.
        {"measured/*.json": "", "influence/*/measured.json": "measured"},
    ),
    "proxies": (
        SEARCHED,
        searched,
        dict.fromkeys(("proxies/*/runs/*/record.json", "proxies/*/corpus.json", "proxies/*/documents.parquet"), "")
        | {"proxies/*/lengths.npy": "", "proxies/*/tokens.bin": ""},
    ),
    "cascades": (CASCADED, applied, {"steps/*/result.json": "", "steps/*/*.parquet": ""}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_after_damage_the_same_command_says_the_same(world: Path, tmp_path: Path, run: Run, kind: str) -> None:
    text, call, names = KINDS[kind]
    (world / "r.recipe").write_text(text)
    whole, said = call(run, world)
    assert whole
    assert "made again" not in said
    state = world / ".recipec"
    copy = shutil.copytree(state, tmp_path / "copy")
    damages: tuple[Damage, ...] = (flip, cut, garbage, gone)
    noted = 0
    for number, (pattern, without) in enumerate(names.items()):
        paths = sorted(state.glob(pattern))
        assert paths, pattern
        for path in paths if kind == "cascades" else paths[:1]:
            shutil.rmtree(state)
            shutil.copytree(copy, state)
            if without:
                shutil.rmtree(state / without)
            if kind == "influence":
                # The selection keeps its weights.
                shutil.rmtree(state / "steps")
            damage = damages[(number + len(path.name) + noted) % len(damages)]
            damage(path, random.Random(f"{kind} {number}"))
            damaged = path.read_bytes() if path.exists() else None
            found, said = call(run, world)
            assert found == whole, (path, damage.__name__)
            assert "Traceback" not in said
            if path.exists() and path.read_bytes() != damaged and damage is not gone:
                assert "is made again" in said, (path, damage.__name__)
                noted += 1
    assert noted > 0
