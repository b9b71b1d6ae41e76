"""The text of a recipe in a plan file says what the plan does, whatever the recipe has; another text is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipec import pipeline
from recipec.diagnostics import Failure
from recipec.ir.execution import PhasedPlan
from recipec.planning import planfile
from tests.conftest import MIX, SOURCE, Run, write_parquet

pytestmark = pytest.mark.slow

CURVE = "sample quadmix {\n  curve {\n    omega 0.5\n  }\n}\n"
PHASES = """phases {
  until 500 tokens { mixture { a 50%, b 50% } }
  then until 900 tokens { mixture { a 20%, b 40%, c 40% }
    quota c at most 45% }
  then { mixture proportional }
}
"""
LAW = "budget 2K tokens { model 1.7B params, law std.law.infolaw_2026 }\n"
EDU = "criterion edu = column(edu) higher is better\n"

RECIPES = {
    "mix": MIX,
    "parameters": MIX.replace("omega 0.3", "omega $part")+ "param part = 0.3\n",
    "filters": SOURCE
    + EDU
    + "where n >= 12 and not (topic == \"a\" and edu < 0.1) # a comment\nwhere not duplicate(lower(text))\n"
    + 'where text matches "w[o-r]+d" or length(text) > 3\nquota a where edu >= 0.5 at least 10%\n'
    + "sample top 50% by edu\nseed 9\nallow bad 1%\n"
    + 'output jsonl "out" {\n  shard 1MB\n}\n',
    "heuristics": SOURCE
    + "use std.quality.c4\nallow empty\ncriterion long = word_count() higher is better\nquality {\n  ties split\n}\n"
    + CURVE
    + "budget 500 tokens\n"
    + 'output parquet "out"\n',
    "a mixture from a file": MIX.replace("mixture {\n  a 50%\n  b 30%\n  c 20%\n}", 'mixture from "weights.json"'),
    "a search": SOURCE
    + EDU
    + "criterion ppl = column(ppl) lower is better\n"
    + 'quality {\n  weights from "found.json"\n}\nsample quadmix from "found.json"\nbudget 900 tokens\noutput parquet "out"\n',
    "attributes": SOURCE.replace("  domain", '  attributes "beside/*.parquet" by id\n  domain')
    + "criterion s = column(score) higher is better\nsample top 50% by s\n"
    + 'output parquet "out"\n',
    "arrays": SOURCE.replace("  domain", '  attributes "rows/*.npy" by row { columns first second }\n  domain')
    + "criterion s = column(second) higher is better\nsample top 50% by s\n"
    + 'output parquet "out"\n',
    "a law": SOURCE + EDU + CURVE + LAW + "mixture infolaw\n" + 'output parquet "out"\n',
    "phases": SOURCE + EDU + CURVE + "quota b at most 90%\nbudget 1_800 tokens\n" + PHASES + 'output parquet "out"\n',
    "phases with a law": SOURCE
    + EDU
    + CURVE
    + LAW
    + PHASES.replace("mixture proportional", "mixture infolaw").replace("mixture { a 50%, b 50% }", "mixture infolaw")
    + 'output parquet "out"\n',
    "phases of one mixture": SOURCE
    + EDU
    + CURVE
    + "budget 900 tokens\nmixture { a 50%, b 50% }\n"
    + "phases {\n  until 500 tokens { quota a at most 60% }\n  then { mixture { b 100% } }\n}\n"
    + 'output parquet "out"\n',
}  # fmt: skip


@pytest.fixture
def folder(world: Path) -> Path:
    (world / "weights.json").write_text('{"a": 3, "b": 1, "c": 0.1}')
    found = {"omega": 0.5, "lambda": 7, "omega_a": 0.25, "epsilon": 0.01, "edu": 0.3, "ppl": 0.7, "edu_b": 1}
    (world / "found.json").write_text(json.dumps({"weights": found}))
    write_parquet(world / "beside/0.parquet", "SELECT 'doc-' || i AS id, i AS score FROM range(400) r(i)")
    (world / "rows").mkdir()
    for number in range(2):
        np.save(world / f"rows/{number}.npy", np.arange(400, dtype=np.float32).reshape(200, 2))
    return world


def planned(run: Run, folder: Path, name: str) -> Path:
    (folder / "a.recipe").write_text(RECIPES[name])
    made = run("plan", folder / "a.recipe", "-o", folder / "a.plan", "--score")
    assert made.code == 0, made.err
    # Whatever a plan file has of these files is in it.
    for one in ("weights.json", "found.json"):
        (folder / one).unlink()
    return folder / "a.plan"


def refusal(path: Path) -> str:
    """Why a plan file is refused, or ""."""
    try:
        plan = planfile.read(path)
        for one in plan.phases if isinstance(plan, PhasedPlan) else (plan,):
            pipeline.admit(one, path, [])
    except Failure as failure:
        return f"{failure.diagnostics[0].code}: {failure.diagnostics[0].message}"
    return ""


def texts(value: Any) -> list[dict[str, Any]]:
    """The recipes in a plan file."""
    return [one["recipe"] for one in value.get("phases", [value])]


@pytest.mark.parametrize("name", RECIPES)
def test_a_text_that_says_other_than_the_plan_is_refused(run: Run, folder: Path, name: str) -> None:
    path = planned(run, folder, name)
    assert refusal(path) == ""
    whole = path.read_text()
    number = len(texts(json.loads(whole)))
    assert number == (3 if "then until" in RECIPES[name] else 2 if "phases {" in RECIPES[name] else 1)
    tried = 0
    for which in range(number):
        text = texts(json.loads(whole))[which]["canonical"]
        lines = text.splitlines(keepends=True)
        lies = {"".join((*lines[:at], *lines[at + 1 :])) for at in range(len(lines))}
        lies |= {text[: m.start()] + str(int(m[0]) + 1) + text[m.end() :] for m in re.finditer(r"\b\d+\b", text)}
        lies |= {text + more for more in ("# trust me\n", "where n > 1\n", "*/; DROP TABLE x; --", "\0", "seed 5\n")}
        lies |= {text.replace('"out', '"other'), text.replace("web", "wiki"), text.replace("edu", "ppl"), ""} - {text}
        for lie in sorted(lies):
            value = json.loads(whole)
            texts(value)[which]["canonical"] = lie
            path.write_text(json.dumps(value))
            said = refusal(path)
            assert said.startswith("R0707: the plan file is damaged: the text of its recipe says other than the plan: ")
            tried += 1
    assert tried >= 20


def test_what_is_refused_is_not_applied(run: Run, folder: Path) -> None:
    path = planned(run, folder, "mix")
    path.write_text(path.read_text().replace("budget 2K tokens", "budget 9K tokens"))
    assert "budget 9K tokens" in path.read_text()
    before = set(folder.rglob("*"))
    refused = run("apply", path, "--yes")
    assert refused.code == 1
    assert refused.err.startswith(
        "error[R0707]: the plan file is damaged: the text of its recipe says other than the plan: `budget` differs\n"
    )
    assert set(folder.rglob("*")) == before
