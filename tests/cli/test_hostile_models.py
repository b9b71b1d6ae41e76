"""Hostile names through the commands that run models and succeed: `model add`, `probe` and `search`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import tiny_model
from tests.cli.test_hostile_names import EVIL, WORST, evil, forbidden, spelled
from tests.conftest import Run

pytestmark = pytest.mark.slow

pytest.importorskip("torch")

MODEL = evil("tiny")
SOURCE = f"""seed 3
source `{evil("web")}` {{
  shards "data/*.jsonl"
  id id
  text text
  tokens n
  domain topic
}}
target `{evil("law")}` {{
  examples "law*.txt"
}}
"""
SEARCHED = f"""criterion `{evil("one")}` = column(one) higher is better
budget 1_000 tokens
search {{
  omega 0.05..0.9
  runs 6
{tiny_model.proxy(500)}}}
"""
PROBED = f"""criterion `{evil("near")}` = nag(target: `{evil("law")}`, model: "{spelled(MODEL)}", top_k: 5, length: 30)
sample top 50% by `{evil("near")}`
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECIPEC_CACHE", str(tmp_path / evil("cache")))
    tiny_model.build(tmp_path / MODEL)
    rows = (
        {
            "id": f"d{n}{WORST}",
            "text": tiny_model.text(3 * n, 30, least=0.001),
            "n": 40,
            "topic": "ab"[n % 2] + WORST,
            "one": n,
        }
        for n in range(80)
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / f"{evil('s')}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    examples = (tiny_model.text(11 + 18 * n, 30, least=0.001) for n in range(12))
    (tmp_path / f"{evil('law')}.txt").write_text("\n".join(examples))
    (tmp_path / "probe.recipe").write_text(SOURCE + PROBED)
    (tmp_path / "search.recipe").write_text(SOURCE + SEARCHED)
    return tmp_path


SEARCH = ["search", "search.recipe", "--folds", "2", "--candidates", "200", "--no-confirm", "--device", "cpu"]


def test_commands_that_run_models_pass_nothing_on(hostile: Path, run: Run) -> None:
    calls = [
        ["model", "add", "mine", "--from", MODEL],
        ["model", "list"],
        ["probe", "probe.recipe", "--documents", "20", "--device", "cpu", "--html", "p.html"],
        [*SEARCH, "-o", evil("found"), "--html", "s.html"],
        ["show", evil("found")],
        ["model", "remove", "mine"],
    ]
    shown = 0
    for words in calls:
        result = run(*words)
        assert result.code == 0, (words, result.err)
        assert not forbidden(result.out + result.err), words
        # What a name has besides is shown.
        shown += "[31m" in result.out + result.err
    assert shown >= 4
    for page in ("p.html", "s.html"):
        text = (hostile / page).read_text()
        assert len(text) > 1000
        assert not forbidden(text.replace("\t", "")), page
    value = json.loads((hostile / evil("found")).read_text())
    assert value["domains"] == [f"a{WORST}", f"b{WORST}"]
    assert all(EVIL in name for name in value["evidence"]["targets"])
