"""A plan file goes with its recipe's folder: copied or moved, it is applied where it is then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Run, rows


@pytest.fixture
def project(mix: Path, tmp_path: Path) -> Path:
    """The folder `one` with a recipe and its shards."""
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.move(tmp_path / "data", folder / "data")
    shutil.move(mix, folder / "mix.recipe")
    return folder


def ids(folder: Path) -> list[tuple[str, ...]]:
    return rows(f"SELECT id FROM '{folder}/out/data/*.parquet' ORDER BY ALL")


def test_a_copied_folder_has_its_own_dataset(project: Path, run: Run) -> None:
    other = project.with_name("two")
    assert run("plan", project / "mix.recipe", "-o", project / "a.plan").code == 0
    shutil.copytree(project, other)
    assert run("apply", other / "a.plan").code == 0
    assert not (project / "out").exists()
    assert run("apply", project / "a.plan").code == 0
    assert ids(project) == ids(other)
    assert run("diff", project / "out", other / "out").out.startswith("no difference")


def test_a_moved_folder_and_a_plan_file_that_lies_elsewhere(project: Path, tmp_path: Path, run: Run) -> None:
    plans = tmp_path / "plans"
    plans.mkdir()
    assert run("plan", project / "mix.recipe", "-o", plans / "a.plan").code == 0
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for folder in (project, plans):
        folder.rename(moved / folder.name)
    refused = run("apply", moved / "plans/a.plan")
    assert refused.code == 1
    assert refused.err == (
        "error[R0713]: the plan has its recipe's folder and its state elsewhere, outside the plan file's folder\n"
        f" --> {moved / 'one'}\n"
        f"  = help: if you trust this plan file: `--allow {moved / 'one'}`\n"
        "  = help: or plan the recipe yourself\n\n"
    )
    assert not (moved / "one/out").exists()
    assert run("apply", moved / "plans/a.plan", "--allow", moved / "one").code == 0
    assert (moved / "one/out/manifest.json").is_file()
    assert not project.exists()


def test_a_plan_file_that_is_moved_alone_names_where_it_looks(project: Path, tmp_path: Path, run: Run) -> None:
    assert run("plan", project / "mix.recipe", "-o", project / "a.plan").code == 0
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.move(project / "a.plan", alone / "a.plan")
    result = run("apply", alone / "a.plan")
    assert result.code == 4
    assert result.err.startswith(f"error[R0708]: the plan is stale: the shard `data/0.parquet` is gone\n --> {alone}\n")
    assert not (alone / "out").exists()


def test_a_plan_whose_folder_is_gone_does_not_make_it_again(project: Path, run: Run) -> None:
    plan = project.with_name("a.plan")
    assert run("plan", project / "mix.recipe", "-o", plan).code == 0
    shutil.rmtree(project)
    result = run("apply", plan)
    assert result.code == 4
    assert result.err.startswith(f"error[R0708]: the folder of the plan's recipe is gone\n --> {project}\n")
    assert not project.exists()


def test_a_plan_without_its_place_has_its_folder_in_it(project: Path, run: Run) -> None:
    plan = project / "a.plan"
    assert run("plan", project / "mix.recipe", "-o", plan).code == 0
    value = json.loads(plan.read_text())
    assert value.pop("place") == "."
    other = project.with_name("b.plan")
    other.write_text(json.dumps(value))
    assert run("apply", other).code == 0  # the folder is inside that of the plan file
    assert (project / "out/manifest.json").is_file()
