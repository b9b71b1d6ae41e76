"""Phases: one account of documents over all of them, earlier ones that stay as they are, and mistakes in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from recipec.source import Source
from recipec.syntax import parse
from tests.conftest import Run

pytestmark = pytest.mark.slow

RECIPE = """seed 3
source web {
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}
criterion edu = column(edu) higher is better
sample quadmix {
  curve { omega 0.6, lambda 20 }
}
repeat at most 3 times
budget 30_000 tokens
output parquet "out"
phases {
  until 9_000 tokens { mixture { a 50%, b 50% } }
  then until 18_000 tokens { mixture { a 20%, b 40%, c 40% }
    quota c at most 30% }
  then { mixture proportional }
}
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    generator = np.random.default_rng(1)
    tokens = np.ceil(generator.pareto(1.5, 600) * 30 + 1).clip(max=900).astype(int)
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE pool AS SELECT unnest($1) AS i, unnest($2) AS n, unnest($3) AS edu",
            [list(range(600)), tokens.tolist(), generator.random(600).tolist()],
        )
        connection.execute(
            "COPY (SELECT 'd' || i AS id, 'text ' || i AS text, n, edu, ['a', 'b', 'c'][1 + i % 3] AS topic FROM pool) "
            f"TO '{tmp_path}/data/0.parquet'"
        )
    (tmp_path / "r.recipe").write_text(RECIPE)
    return tmp_path


def ledgers(world: Path) -> list[dict[str, dict[str, Any]]]:
    """The ledger of each phase by document."""
    found = []
    for number in (1, 2, 3):
        ledger = duckdb.execute(f"SELECT * FROM '{world}/out/phase-{number}/ledger/*.parquet'")
        names = [column[0] for column in ledger.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in ledger.fetchall()]
        found.append({row["doc_id"]: row for row in rows})
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_documents_have_one_account_over_all_phases(world: Path, run: Run) -> None:
    """Copies over all phases are ⌈min(Σ c·S, R) − u⌉ with the document's own u, so that none repeats while others wait."""
    result = run("apply", world / "r.recipe", "--yes")
    assert result.code == 0, result.err
    first, second, third = ledgers(world)
    for doc_id, start in first.items():
        scales = [phase[doc_id]["scale"] for phase in (first, second, third)]
        drawn = np.cumsum([phase[doc_id]["copies"] for phase in (first, second, third)])
        expected = np.minimum(np.cumsum(scales) * start["expected"], 3)
        assert drawn.tolist() == np.maximum(0, np.ceil(expected - start["draw"])).tolist(), doc_id
        assert [phase[doc_id].get("before", 0) for phase in (first, second, third)] == [0, *drawn[:-1]]
    for number in (1, 2, 3):
        result = run("verify", world / f"out/phase-{number}")
        assert result.code == 0, result.err
    # Each phase has its tokens, within a document a domain, and its own shares.
    for phase, shares in ((first, {"a": 0.5, "b": 0.5}), (second, {"a": 0.2 * 7 / 6, "b": 0.4 * 7 / 6, "c": 0.3})):
        for domain in "abc":
            tokens = sum(r["copies"] * r["tokens"] for r in phase.values() if r["domain"] == domain)
            assert 0 <= shares.get(domain, 0) * 9_000 - tokens < 900


def test_an_earlier_phase_stays_as_it_is(world: Path, run: Run) -> None:
    assert run("apply", world / "r.recipe", "--yes").code == 0
    before = files(world / "out/phase-1")
    text = RECIPE.replace("a 20%, b 40%, c 40%", "a 10%, b 50%, c 40%").replace("30_000", "31_000")
    (world / "r.recipe").write_text(text)
    result = run("plan", world / "r.recipe", "--json")
    first, second, third = json.loads(result.out)["phases"]
    actions = [plan["steps"][-1]["action"] for plan in (first, second, third)]
    assert actions == ["reuse", "run", "run"]
    assert run("apply", world / "r.recipe", "--yes").code == 0
    assert files(world / "out/phase-1") == before


def test_a_plan_file_holds_all_phases(world: Path, run: Run) -> None:
    result = run("plan", world / "r.recipe", "-o", world / "p.plan", "--html", world / "p.html")
    assert result.code == 0, result.err
    assert "phase 2: from 9,000 to 18K tokens" in result.out
    assert "Mixture, phase 3" in (world / "p.html").read_text()
    assert "phase 2" in run("show", world / "p.plan").out
    assert "phase" not in run("show", f"{world}/p.plan#2").out.splitlines()[0]
    refused = run("diff", world / "p.plan", world / "p.plan")
    assert "error[R1505]: the plan file has phases, but this command takes only one" in refused.err
    result = run("apply", world / "p.plan", "--json")
    assert [one["recipe"]["output"]["path"] for one in json.loads(result.out)] == [f"out/phase-{n}" for n in (1, 2, 3)]
    assert run("plan", world / "r.recipe", "--detailed-exitcode").code == 0
    compared = run("diff", f"{world}/p.plan#1", f"{world}/p.plan#2")
    assert "drawn in an earlier phase" in compared.out
    [c] = [line for line in compared.out.splitlines() if line.startswith("c ")]
    assert c.endswith("bound by at most")
    [a] = [line for line in compared.out.splitlines() if line.startswith("a ")]
    assert a.strip().endswith("mixture")


def test_a_document_is_explained_in_its_phase(world: Path, run: Run) -> None:
    assert run("apply", world / "r.recipe", "--yes").code == 0
    second = ledgers(world)[1]
    taken = next(doc_id for doc_id, row in second.items() if row["before"] == 1)
    shown = run("explain", world / "out/phase-2", taken).out
    assert "earlier phases    1 copy drawn" in shown
    assert "what earlier phases left of it: + 1 −" in shown
    assert run("explain", world / "out/phase-2").code == 0


def test_layout_does_not_matter(world: Path, run: Run) -> None:
    assert run("apply", world / "r.recipe", "--yes").code == 0
    digests = [json.loads((world / f"out/phase-{n}/manifest.json").read_text())["digest"] for n in (1, 2, 3)]
    with duckdb.connect() as connection:
        for part in range(3):
            connection.execute(
                f"COPY (SELECT * FROM '{world}/data/0.parquet' WHERE hash(id) % 3 = {part} ORDER BY hash(id, 1)) "
                f"TO '{world}/{part}.parquet'"
            )
        for part in range(3):
            (world / f"{part}.parquet").replace(world / f"data/{part}.parquet")
    assert run("apply", world / "r.recipe", "--yes", "--threads", 1).code == 0
    assert digests == [json.loads((world / f"out/phase-{n}/manifest.json").read_text())["digest"] for n in (1, 2, 3)]


def test_repetition_runs_across_phases(world: Path, run: Run) -> None:
    """What is drawn already is not there again: later phases are short of a domain that earlier ones used up."""
    text = RECIPE.replace("repeat at most 3 times", "repeat at most 1 times").replace("a 50%, b 50%", "a 100%")
    (world / "r.recipe").write_text(text)
    result = run("plan", world / "r.recipe")
    assert result.code == 6
    assert "error[R0507]" in result.err or "error[R0505]" in result.err


def test_the_law_is_of_the_whole_of_training(world: Path, run: Run) -> None:
    budget = "budget 30_000 tokens {\n  model 1.7B params\n  law std.law.infolaw_2026\n}"
    (world / "r.recipe").write_text(RECIPE.replace("budget 30_000 tokens", budget))
    first, second, third = json.loads(run("plan", world / "r.recipe", "--json").out)["phases"]
    assert first["forecast"] is None
    assert second["forecast"] is None
    drawn = sum(cell["drawn_tokens"] for plan in (first, second, third) for cell in plan["selection"]["cells"])
    assert sum(one["tokens"] for one in third["forecast"]["domains"]) == pytest.approx(drawn)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "until 9_000 tokens",
            "until 20_000 tokens",
            "R1502]: the phase ends at 18,000 tokens, and the one before it at 20,000",
        ),
        (
            "until 18_000 tokens",
            "until 31_000 tokens",
            "R1502]: the phase ends at 31,000 tokens, and the budget at 30,000",
        ),
        ("then until 18_000 tokens", "then", "R1502]: only the last phase has no `until`"),
        (
            "then { mixture prop",
            "then { seed 4\n mixture prop",
            "R1501]: a phase has a `mixture` and `quota`s, but no `seed`",
        ),
        (
            "quota c at most",
            "quota c where n > 2 at most",
            "R1501]: a quota of part of a domain is not allowed in a phase",
        ),
        ("budget 30_000 tokens\n", "", "R1503]: `phases` need a budget"),
        ("mixture proportional }", "mixture proportional\n mixture natural }", "R0202]: `mixture` is stated twice"),
        ("until 9_000 tokens", "until 9_000", "expected"),
        ("a 50%, b 50%", "a 50%, d 50%", "R0320]: no document has the domain `d`"),
    ],
)
def test_mistakes(world: Path, run: Run, old: str, new: str, message: str) -> None:
    assert old in RECIPE
    (world / "r.recipe").write_text(RECIPE.replace(old, new))
    result = run("plan", world / "r.recipe")
    assert result.code == 1
    assert message in result.err
    assert "-->" in result.err
    assert "Traceback" not in result.err


def test_phases_are_formatted(world: Path, run: Run) -> None:
    assert run("fmt", world / "r.recipe").code == 0
    text = (world / "r.recipe").read_text()
    assert run("fmt", "--check", world / "r.recipe").code == 0
    tree_, problems = parse(Source(text, "r.recipe"))
    assert not problems
    assert tree_.statements


def test_predict_takes_a_single_dataset(world: Path, run: Run) -> None:
    result = run("predict", world / "r.recipe", "--law", "std.law.infolaw_2026", "--params", "1B")
    assert "error[R1505]: the recipe has phases, and this takes a single dataset" in result.err
