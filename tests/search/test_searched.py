"""Sampling parameters from a search mean what the same parameters mean when they are stated."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run

RECIPE = """seed 3
source web {{
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}}
criterion edu = column(edu) higher is better
criterion ppl = column(ppl) lower is better
quality {{
  {weights}
}}
sample quadmix {sample}
budget 2_000 tokens
output parquet "out"
"""

STATED = """weights {
    edu 0.5
    ppl 0.5
  }
  weights for a {
    edu 0.9
    ppl 0.1
  }"""

CURVES = """{
  curve {
    lambda 40
    omega 0.6
    eta 0.7
    epsilon 0.01
  }
  curve for a {
    omega 0.3
  }
}"""

FOUND = {
    "lambda": 40,
    "omega": 0.6,
    "eta": 0.7,
    "epsilon": 0.01,
    "omega_a": 0.3,
    "edu": 0.5,
    "ppl": 0.5,
    "edu_a": 0.9,
    "ppl_a": 0.1,
}


def test_parameters_of_a_search_are_those_that_are_stated(world: Path, run: Run) -> None:
    path = world / "r.recipe"
    path.write_text(RECIPE.format(weights=STATED, sample=CURVES))
    stated = run("plan", path, "--json")
    assert stated.code == 0, stated.err
    (world / "best.json").write_text(json.dumps({"weights": FOUND, "evidence": {}}))
    path.write_text(RECIPE.format(weights='weights from "best.json"', sample='from "best.json"'))
    assert run("fmt", path).code == 0
    assert 'weights from "best.json"' in path.read_text()
    searched = run("plan", path, "--json")
    assert searched.code == 0, searched.err
    first, second = (json.loads(result.out) for result in (stated, searched))
    assert second["selection"]["digest"] == first["selection"]["digest"]
    assert second["selection"]["cells"] == first["selection"]["cells"]
    assert len(second["recipe"]["sample"]["digest"]) == 64
    assert len(second["recipe"]["quality"]["digest"]) == 64
    # Another answer is another plan, and a domain that is nowhere is named.
    (world / "best.json").write_text(json.dumps({"weights": {**FOUND, "omega_a": 0.1}}))
    assert json.loads(run("plan", path, "--json").out)["selection"]["digest"] != first["selection"]["digest"]
    (world / "best.json").write_text(json.dumps({"weights": {**FOUND, "omega_q": 0.1}}))
    assert "error[R0320]: no document has the domain `q`" in run("plan", path).err
