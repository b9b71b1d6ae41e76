"""`gc` and `state`: what is used stays, what is not goes, and nothing else is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LONG, RECIPEC, Run, wait_for
from tests.pipeline import damage
from tests.pipeline.damage import apply, stored

pytestmark = pytest.mark.slow


@pytest.fixture(params=[True, False] if LONG else [True], ids=lambda phases: "phases" if phases else "one")
def recipe(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """With phases there is all that there is without them, and more; with CAMPAIGN=1 both."""
    return damage.make(tmp_path, phases=bool(request.param))


def actions(run: Run, recipe: Path) -> set[str]:
    found = run("plan", recipe, "--json")
    assert found.code == 0, found.err
    plan = json.loads(found.out)
    return {step["action"] for one in plan.get("phases", [plan]) for step in one["steps"]}


def listed(run: Run, recipe: Path) -> dict[str, Any]:
    found = run("state", recipe.parent, "--json")
    assert found.code == 0, found.err
    value: dict[str, Any] = json.loads(found.out)
    return value


def files(recipe: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in stored(recipe) if path.parent.name != ".recipec"}


def test_what_a_recipe_uses_is_kept(recipe: Path, run: Run) -> None:
    whole, _ = apply(run, recipe)
    before = files(recipe)
    value = listed(run, recipe)
    assert value["unused"] == 0, [one for one in value["items"] if one["unused"]]
    assert {tuple(one["used_by"]) for one in value["items"]} == {("r.recipe",)}
    found = run("gc", recipe.parent)
    assert (found.code, found.out) == (0, "\nnot used\n  none\n\n0 B are freed\n")
    assert files(recipe) == before
    assert actions(run, recipe) == {"reuse"}
    assert apply(run, recipe)[0] == whole


def test_what_no_recipe_uses_any_more_goes(recipe: Path, run: Run) -> None:
    apply(run, recipe)
    other = recipe.with_name("other.recipe")
    text = recipe.read_text().replace("word_count()", "mean_word_length()").replace('"out"', '"second"')
    other.write_text(text.replace("words >= 3", "words >= 1"))
    own = files(recipe)
    assert run("apply", other, "--yes").code == 0
    both = files(recipe)
    assert run("gc", recipe.parent).code == 0
    assert files(recipe) == both
    other.unlink()
    dry = json.loads(run("gc", recipe.parent, "--dry-run", "--json").out)
    assert files(recipe) == both
    gone = json.loads(run("gc", recipe.parent, "--json").out)
    assert (dry["items"], dry["bytes"]) == (gone["items"], gone["bytes"])
    left = files(recipe)
    assert set(left) == set(own)
    # A list of checksums keeps lines of files that are gone.
    assert {path: left[path] for path in own if path.name != "sums"} == {p: own[p] for p in own if p.name != "sums"}
    assert gone["bytes"] > 0
    assert actions(run, recipe) == {"reuse"}


def test_what_a_published_dataset_was_made_of_is_kept(recipe: Path, run: Run) -> None:
    apply(run, recipe)
    own = files(recipe)
    recipe.write_text(recipe.read_text().replace("lambda 10", "lambda 11"))
    # A plan of the changed recipe would be remembered instead.
    assert run("gc", recipe.parent).code == 0
    assert files(recipe) == own
    assert actions(run, recipe) != {"reuse"}
    changed = files(recipe)
    assert run("gc", recipe.parent).code == 0
    assert files(recipe) == changed


def test_parameters_of_the_last_plan_count(recipe: Path, run: Run) -> None:
    recipe.write_text("param edge = 10\n" + recipe.read_text().replace("lambda 10", "lambda $edge"))
    assert run("plan", recipe, "--set", "edge=5").code == 0
    before = files(recipe)
    assert run("gc", recipe.parent).code == 0
    assert files(recipe) == before


def test_leftovers_go_and_what_is_not_ours_stays(recipe: Path, run: Run) -> None:
    apply(run, recipe)
    before = files(recipe)
    state = recipe.parent / ".recipec"
    step = next(iter((state / "steps").iterdir()))
    ours = [
        state / "tmp/texts.parquet",
        step / ".result.json.123.tmp",
        step / "number.tmp",
        state / ".rates.json.7.tmp",
    ]
    ours.append(state / "repacked" / f"{'a' * 32}.jsonl.zst")
    ours.append(state / "steps" / ("b" * 32) / "result.json")
    ours.append(state / "steps" / ("c" * 32) / ".together.77.tmp" / "__shard=1" / "data_0.parquet")
    theirs = [state / "notes.txt", state / "steps/mine/result.json", step / "notes.txt", state / "tmp/notes"]
    theirs.append(state / "steps" / ("b" * 32) / "mine.txt")
    for path in (*ours, *theirs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    found = json.loads(run("gc", recipe.parent, "--json").out)
    assert found["bytes"] == 5 * len(ours)
    assert not [path for path in ours if path.exists()]
    assert all(path.read_bytes() == b"12345" for path in theirs)
    assert before.items() <= files(recipe).items()


def test_a_recipe_that_cannot_be_planned_stops_it(recipe: Path, run: Run) -> None:
    apply(run, recipe)
    before = files(recipe)
    (recipe.parent / "never.recipe").write_text("this was never planned")
    assert run("gc", recipe.parent).code == 0
    recipe.write_text(recipe.read_text().replace("curve", "curvve"))
    found = run("gc", recipe.parent)
    assert found.code == 1
    assert "error[R0615]: what `r.recipe` uses is not known, as it cannot be planned: " in found.err
    assert files(recipe) == before
    assert run("gc", recipe.parent, "--force").code == 0
    assert files(recipe) == before


def test_a_folder_without_state(tmp_path: Path, run: Run) -> None:
    for command in ("state", "gc"):
        found = run(command, tmp_path)
        assert (found.code, found.err.splitlines()[0]) == (
            1,
            "error[R0616]: there is no state folder here: no recipe of this folder was planned yet",
        )
    assert not list(tmp_path.iterdir())


def test_a_lock_of_another_process_refuses(recipe: Path, run: Run) -> None:
    apply(run, recipe)
    code = (
        "import sys, time; from pathlib import Path; from recipec.places import lease\n"
        "with lease.lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    words = [RECIPEC[0], "-c", code, str(recipe.parent / ".recipec")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            found = run("gc", recipe.parent)
            assert found.code == 5, found.err
            assert "R0608" in found.err
        finally:
            holder.kill()


def test_killed_at_any_moment_it_leaves_only_whole_results(recipe: Path, run: Run) -> None:
    whole, _ = apply(run, recipe)
    text = recipe.read_text()
    for number in range(4):
        recipe.write_text(text.replace("n: 2", f"n: {3 + number}"))
        assert run("plan", recipe).code == 0
    recipe.write_text(text)
    assert run("plan", recipe).code == 0
    most = len(stored(recipe))
    for number in range(3):
        process = subprocess.Popen([*RECIPEC, "gc", str(recipe.parent)], stdout=subprocess.DEVNULL)
        until = most - number
        wait_for(lambda: len(stored(recipe)) < until or process.poll() is not None)  # noqa: B023 - called at once
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.01)
    assert actions(run, recipe) == {"reuse"}
    found = run("gc", recipe.parent)
    assert found.code == 0
    assert listed(run, recipe)["unused"] == 0
    again, said = apply(run, recipe)
    assert again == whole
    assert "made again" not in said
