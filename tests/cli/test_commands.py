"""Each command as people and programs use it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from recipec.cli.main import COMMANDS
from tests.conftest import MIX, RECIPEC, REPOSITORY, Run, rows
from tests.dataset.small_dataset import reseal


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_has_examples(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert "examples:" in result.out
    assert f"recipec {command}" in result.out


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("recipec 0.")


def test_fmt_rewrites_checks_and_shows(mix: Path, run: Run) -> None:
    canonical = mix.read_text()
    run("fmt", mix)
    canonical = mix.read_text()
    assert run("fmt", "--check", mix).code == 0
    messy = canonical.replace("omega 0.3", "omega    0.3  # note")
    mix.write_text(messy)
    assert run("fmt", "--check", mix).code == 3
    shown = run("fmt", "--diff", mix)
    assert shown.code == 0
    assert "-    omega    0.3  # note" in shown.out
    assert mix.read_text() == messy
    piped = subprocess.run([*RECIPEC, "fmt", "-"], input=messy, capture_output=True, text=True, check=True)
    assert "    omega 0.3  # note\n" in piped.stdout
    mix.write_bytes(b"\xef\xbb\xbf" + canonical.replace("\n", "\r\n").encode())
    assert run("fmt", "--check", mix).code == 3
    assert run("fmt", mix).code == 0
    assert mix.read_text() == canonical


def test_check_says_all_is_well_or_what_is_not_in_json(mix: Path, run: Run) -> None:
    assert run("check", mix).code == 0
    assert json.loads(run("check", mix, "--json").out)["diagnostics"] == []
    mix.write_text(MIX.replace("column(edu)", "column(edo)"))
    result = run("check", mix, "--json")
    assert result.code == 1
    (found,) = json.loads(result.out)["diagnostics"]
    assert found["code"] == "R0204"
    assert found["severity"] == "error"
    assert found["span"]["line"] == 9
    assert found["helps"] == ["did you mean `edu`?"]
    assert set(found) == {"severity", "code", "message", "place", "span", "label", "labels", "helps"}


def test_plan_is_one_readable_screen_and_states_what_apply_does(mix: Path, run: Run) -> None:
    result = run("plan", mix)
    assert result.code == 0
    assert len(result.out.splitlines()) <= 45
    plan = json.loads(run("plan", mix, "--json").out)
    assert plan["exact"] is True
    digest = plan["selection"]["digest"]
    assert digest[:16] in result.out
    assert run("apply", mix, "--yes").code == 0
    manifest = json.loads((mix.parent / "out/manifest.json").read_text())
    assert manifest["digest"] == digest
    assert manifest["tokens"] == sum(cell["drawn_tokens"] for cell in plan["selection"]["cells"])
    copies = rows(f"SELECT sum(copies), sum(copies * tokens) FROM '{mix.parent}/out/ledger/*.parquet'")[0]
    assert copies == (manifest["rows"], manifest["tokens"])


def test_plan_with_parameters_full_and_markdown(mix: Path, run: Run) -> None:
    mix.write_text("param budget = 2K tokens\n" + MIX.replace("budget 2K tokens", "budget $budget"))
    summary = mix.parent / "plan.md"
    assert run("plan", mix, "--set", "budget=1K", "--summary-md", summary).code == 0
    text = summary.read_text()
    assert "of a budget of 1,000" in text
    assert "| domain |" in text
    assert "data/0.parquet" in run("plan", mix, "--full").out
    assert "data/0.parquet" not in run("plan", mix).out


def test_detailed_exit_codes(mix: Path, run: Run) -> None:
    assert run("plan", mix, "--detailed-exitcode").code == 2
    assert run("apply", mix, "--yes").code == 0
    assert run("plan", mix, "--detailed-exitcode").code == 0
    shutil.rmtree(mix.parent / ".recipec")
    # Deleting the state loses time, never the knowledge that the dataset is there.
    assert run("plan", mix, "--detailed-exitcode").code in (0, 2)
    assert run("apply", mix, "--yes").code == 0
    assert run("verify", mix.parent / "out").code == 0


def test_a_plan_file_is_applied_as_it_is(mix: Path, run: Run) -> None:
    plan = mix.parent / "a.plan"
    assert run("plan", mix, "-o", plan).code == 0
    digest = json.loads(plan.read_text())["selection"]["digest"]
    mix.write_text("this is no recipe any more")
    shown = run("show", plan)
    assert digest[:16] in shown.out
    assert run("apply", plan, "--yes").code == 0
    assert json.loads((mix.parent / "out/manifest.json").read_text())["digest"] == digest
    assert run("apply", plan, "--set", "a=1").code == 1


@pytest.mark.parametrize("stage", ["ast", "model", "logical", "optimised", "plan"])
@pytest.mark.parametrize("json_", [False, True])
def test_show_each_stage(mix: Path, run: Run, stage: str, json_: bool) -> None:
    result = run("show", mix, "--stage", stage, *(["--json"] if json_ else []))
    assert result.code == 0
    if json_:
        assert json.loads(result.out)
    else:
        assert "edu" in result.out


def test_show_a_dataset(mix: Path, run: Run) -> None:
    run("apply", mix, "--yes")
    out = run("show", mix.parent / "out").out
    assert "Lineage" in out
    assert "data/1.parquet" in out
    assert json.loads(run("show", mix.parent / "out", "--json").out)["rows"] > 0


def test_diff_of_recipes_plans_and_datasets(mix: Path, run: Run) -> None:
    other = mix.parent / "other.recipe"
    other.write_text(MIX.replace("omega 0.3", "omega 0.2").replace('"out"', '"out2"') + '\nwhere id != "doc-30"\n')
    for recipe, plan in ((mix, "a.plan"), (other, "b.plan")):
        assert run("plan", recipe, "-o", mix.parent / plan).code == 0
        assert run("apply", recipe, "--yes").code == 0
    recipes = run("diff", mix, other)
    assert "+    omega 0.2" in recipes.out
    plans = run("diff", mix.parent / "a.plan", mix.parent / "b.plan")
    assert "Documents" in plans.out
    value = json.loads(run("diff", mix.parent / "out", mix.parent / "out2", "--json").out)
    assert value["empty"] is False
    causes = {group["cause"] for group in value["documents"]}
    assert causes <= {
        "merged score (criteria or weights)",
        "rank among the other documents",
        "sampling curve",
        'filter: id != "doc-30"',
        "scale (budget, mixture or quotas)",
    }
    assert causes
    a, b = (dict(rows(f"SELECT doc_id, copies FROM '{mix.parent}/{out}/ledger/*.parquet'")) for out in ("out", "out2"))
    assert sum(group["documents"] for group in value["documents"]) == sum(a[doc] != b[doc] for doc in a)
    assert run("diff", mix.parent / "out", mix.parent / "out").out == "no difference\n"


def test_verify_in_json(mix: Path, run: Run) -> None:
    run("apply", mix, "--yes")
    assert json.loads(run("verify", mix.parent / "out", "--json").out) == {"diagnostics": []}
    (part, *_) = (mix.parent / "out/data").iterdir()
    part.write_bytes(part.read_bytes()[:-1])
    result = run("verify", mix.parent / "out", "--json")
    assert result.code == 1
    assert json.loads(result.out)["diagnostics"][0]["code"] == "R0623"


@pytest.mark.parametrize("data", ["prose.parquet", "code.jsonl.gz", "docs.jsonl.zst"])
def test_init_writes_a_recipe_that_works(tmp_path: Path, run: Run, data: str) -> None:
    (tmp_path / "my data").mkdir()
    shutil.copy(REPOSITORY / "examples/data" / data, tmp_path / "my data")
    recipe = tmp_path / "first.recipe"
    assert run("init", tmp_path / "my data", "-o", recipe).code == 0
    assert run("fmt", "--check", recipe).code == 0
    assert run("check", recipe).code == 0
    assert run("plan", recipe).code == 0
    assert run("apply", recipe, "--yes").code == 0
    # What stands there is not overwritten.
    assert run("init", tmp_path / "my data", "-o", recipe).code == 1


def test_results_on_stdout_and_the_rest_on_stderr(mix: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    result = run("plan", mix)
    assert "\x1b" not in result.out + result.err
    applied = run("apply", mix, "--yes", "--json")
    assert json.loads(applied.out)["rows"] > 0


def answered(answer: bytes, *words: object) -> subprocess.CompletedProcess[str]:
    """`recipec` with a terminal for its input, where a line has been typed."""
    typed, terminal = pty.openpty()
    try:
        os.write(typed, answer + b"\n")
        command = [*RECIPEC, *map(str, words)]
        return subprocess.run(command, stdin=terminal, capture_output=True, text=True, check=False)
    finally:
        os.close(typed)
        os.close(terminal)


@pytest.mark.slow
def test_apply_shows_the_plan_and_asks(mix: Path) -> None:
    result = answered(b"no", "apply", mix)
    assert result.returncode == 1
    assert "Mixture" in result.stdout
    assert "error[R0704]: not applied" in result.stderr
    assert not (mix.parent / "out").exists()
    assert answered(b"y", "apply", mix).returncode == 0


def test_a_manifest_with_other_counts_is_found(mix: Path, run: Run) -> None:
    run("apply", mix, "--yes")
    path = mix.parent / "out/manifest.json"
    value = json.loads(path.read_text())
    value["data"][0]["rows"] += 1
    reseal(mix.parent / "out", value)
    assert "error[R0624]" in run("verify", mix.parent / "out").err
