"""`recipec search RECIPE` with proxies that are trained for real, small as they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightgbm")

from recipec.proxies import job
from tests import tiny_model
from tests.conftest import REPOSITORY, SOURCE, Run, wait_for

pytestmark = pytest.mark.slow

RECIPE = (
    "seed 3\n"
    + SOURCE
    + """target law {
  examples "law.txt"
}
criterion one = column(one) higher is better
criterion two = column(two) lower is better
quality {
  weights {
    one 1
    two 1
  }
}
repeat at most 4 times
budget 8_000 tokens
search {
  omega 0.05..0.9
  for b {
    omega 0.3..0.9
    one 0.2..0.7
  }
  runs 12
  proxy {
    hidden 32
    layers 1
    heads 2
    ffn 64
    context 32
    vocabulary 512
    batch 4
    tokens 4_000 tokens
    rate 0.005
  }
}
output parquet "out"
"""
)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    with duckdb.connect() as connection:
        # Each domain leans to words of its own.
        texts = [tiny_model.text(18 * n + 6 * (n % 3), 30, least=0.001) for n in range(400)]
        connection.execute("CREATE TABLE pool AS SELECT unnest($1) AS i, unnest($2) AS text", [list(range(400)), texts])
        connection.execute(
            "COPY (SELECT 'd' || i AS id, text, 40 AS n, ['a', 'b', 'c'][1 + i % 3] AS topic, (i * 7919 % 400) / 400.0 AS one, "
            f"(i * 104729 % 400) / 400.0 AS two FROM pool) TO '{tmp_path}/data/0.parquet'"
        )
    (tmp_path / "law.txt").write_text(
        "\n".join(tiny_model.text(18 * n + 18_000, 20, least=0.001) for n in range(20)) + "\n"
    )
    (tmp_path / "r.recipe").write_text(RECIPE)
    return tmp_path


def searched(run: Run, folder: Path, *more: Any) -> Any:
    result = run("search", folder / "r.recipe", "--folds", "2", "--candidates", "500", *more)
    assert result.code == 0, result.err
    return result


def records(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob(".recipec/proxies/*/runs/*/record.json")}


def test_a_search_and_what_a_recipe_makes_of_it(run: Run, world: Path) -> None:
    found = json.loads(searched(run, world, "-o", world / "s.json", "--html", world / "s.html", "--json").out)
    assert found["domains"] == ["a", "b", "c"]
    assert found["words"] == ["one", "two", "lambda", "omega", "eta", "epsilon"]
    assert set(found["weights"]) == {f"{word}_{domain}" for domain in "abc" for word in found["words"]}
    assert 0.3 <= found["weights"]["omega_b"] <= 0.9
    assert 0.2 <= found["weights"]["one_b"] <= 0.7
    for domain in "abc":
        assert found["weights"][f"one_{domain}"] + found["weights"][f"two_{domain}"] == pytest.approx(1)
    assert found["evidence"]["runs"] == 12
    assert found["predicted"]["low"] <= found["predicted"]["loss"] <= found["predicted"]["high"]
    assert len(found["runs"]) == 12
    assert len(found["records"]) == 12 + 9
    assert {name: [one["seed"] for one in rows] for name, rows in found["confirmation"].items()} == {
        name: [2, 3, 4] for name in ("answer", "default", "natural")
    }
    assert set(found["tokens"]) == {"answer", "default", "natural"}
    # The budget, less what no whole document fits in.
    assert 8_000 - 3 * 40 <= sum(found["tokens"]["answer"].values()) <= 8_000
    before = records(world)
    shown = run("show", world / "s.json", "--html", world / "t.html")
    assert shown.code == 0, shown.err
    for title in ("Parameters", "Importance", "Evidence", "Tokens", "Confirmation", "Predicted against true", "Curves"):
        assert title in shown.out
    page = (world / "t.html").read_text()
    assert page == (world / "s.html").read_text()
    assert page.count("<svg") == 2
    # The same search trains nothing again and says the same.
    again = json.loads(searched(run, world, "--json").out)
    assert records(world) == before
    assert again == found
    # What the answer selects is what the search said that it would.
    text = RECIPE.replace("  weights {\n    one 1\n    two 1\n  }\n", '  weights from "s.json"\n')
    (world / "taken.recipe").write_text(text + 'sample quadmix from "s.json"\n')
    plan = run("plan", world / "taken.recipe", "--json")
    assert plan.code == 0, plan.err
    cells = json.loads(plan.out)["selection"]["cells"]
    assert {cell["domain"]: cell["drawn_tokens"] for cell in cells} == found["tokens"]["answer"]


def test_more_draws_are_kept(run: Run, world: Path) -> None:
    searched(run, world, "--no-confirm")
    more = json.loads(searched(run, world, "--no-confirm", "--more", "3", "--json").out)
    assert more["evidence"]["runs"] == 15
    before = records(world)
    again = json.loads(searched(run, world, "--no-confirm", "--json").out)
    assert again["runs"] == more["runs"]
    assert records(world) == before
    assert again["confirmation"] == {}


def test_jobs_are_run_elsewhere(run: Run, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = world / "jobs"
    out = searched(run, world, "--runs", 6, "--export-jobs", jobs).out
    assert "6 jobs" in out
    folders = sorted(path.parent for path in jobs.glob("*/job.json"))
    assert len(folders) == 6
    assert (folders[0] / "shards.txt").read_text().endswith("data/0.parquet\n")
    assert not records(world)
    result = run("search", world / "r.recipe", "--runs", 6, "--collect", jobs)
    assert "has no folder with a record.json" in result.err
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    commands = [(folder / "command.txt").read_text().split() for folder in folders[:5]]
    subprocess.run([sys.executable, *commands[0][1:]], cwd=jobs, env=environment, check=True, capture_output=True)
    # The others as that process does it, without a start of torch for each.
    monkeypatch.chdir(jobs)
    for command in commands[1:]:
        assert command[:3] == ["python", "-m", "recipec.proxies.job"]
        assert job.main(command[3:]) == 0
    result = searched(run, world, "--runs", 6, "--collect", jobs, "--no-confirm", "--json")
    found = json.loads(result.out)
    assert found["evidence"]["runs"] == 5
    assert any("1 of 6 proxies have no record yet" in warning for warning in found["warnings"])
    # A training here comes to the same losses.
    path = next((world / ".recipec").glob(f"proxies/*/runs/{found['records'][0]['key']}/record.json"))
    elsewhere = json.loads(path.read_text())["losses"]
    path.unlink()
    searched(run, world, "--runs", 6, "--no-confirm")
    assert json.loads(path.read_text())["losses"] == pytest.approx(elsewhere, abs=1e-4)
    (folders[0] / "record.json").write_text("{}")
    result = run("search", world / "r.recipe", "--runs", 6, "--collect", jobs)
    assert result.code == 1
    assert "is not a record" in result.err


def test_a_job_of_strangers_writes_beside_itself(run: Run, world: Path) -> None:
    searched(run, world, "--export-jobs", world / "jobs")
    folder = sorted(path.parent for path in (world / "jobs").glob("*/job.json"))[0]
    job = json.loads((folder / "job.json").read_text())
    job |= {"out": str(world / "outside.json"), "folder": str(world / "elsewhere"), "keep": str(world / "kept")}
    (folder / "job.json").write_text(json.dumps(job))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "recipec.proxies.job", str(folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert (folder / "record.json").is_file()
    assert not any((world / name).exists() for name in ("outside.json", "elsewhere", "kept"))
    (folder / "job.json").write_text("{}")
    (folder / "record.json").unlink()
    failed = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "holds no job" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_diverged_proxies_are_left_out(run: Run, world: Path) -> None:
    (world / "r.recipe").write_text(RECIPE.replace("rate 0.005", "rate 100_000"))
    result = run("search", world / "r.recipe", "--folds", "3", "--no-confirm")
    assert result.code == 1
    assert "runs are too few for 3 folds" in result.err
    assert "Traceback" not in result.err


def test_a_killed_search_goes_on(run: Run, world: Path) -> None:
    command = [sys.executable, "-m", "recipec", "search", str(world / "r.recipe"), "--folds", "3", "--no-confirm"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: len(records(world)) >= 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = records(world)
    assert 2 <= len(before) < 12
    searched(run, world, "--no-confirm")
    after = records(world)
    assert len(after) == 12
    assert {key: after[key] for key in before} == before


def test_what_cannot_be_searched(run: Run, world: Path) -> None:
    text = RECIPE.replace("budget 8_000 tokens\n", "sample all\n")
    text = text[: text.index("target law")] + text[text.index("criterion one") :]
    (world / "r.recipe").write_text(text)
    result = run("search", world / "r.recipe")
    assert result.code == 1
    for words in ("needs a budget", "needs a target", "only the parameters of `sample quadmix` can be searched"):
        assert words in result.err
    (world / "r.recipe").write_text(RECIPE.replace("budget 8_000", "budget 2_000"))
    assert "4,000 tokens of a proxy are more than the 2,000 of the budget" in run("search", world / "r.recipe").err
    (world / "r.recipe").write_text(RECIPE + "quota a at least 12_000 tokens\n")
    result = run("search", world / "r.recipe")
    assert "only 0 of 240 draws are feasible" in result.err
    assert result.code == 1
    result = run("search", world / "r.recipe", "--mixtures", "a.csv", "--export-jobs", "x", "--collect", "y")
    assert "--mixtures goes with tables" in result.err
    assert "--export-jobs and --collect cannot be combined" in result.err
    (world / "r.recipe").write_text(RECIPE)
    result = run("search", "--more", "3")
    assert "--more needs a recipe" in result.err
    assert "without a recipe `search` needs --mixtures" in result.err
