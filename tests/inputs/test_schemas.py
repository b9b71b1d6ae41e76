"""Columns of shards are remembered for `check`, as long as the shards stay as they are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from recipec.inputs.schemas import Entries
from recipec.places import sealed
from tests.conftest import RECIPEC, REPOSITORY, SOURCE, Run, write_parquet

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_parquet(tmp_path / "data/0.parquet", "SELECT 'a' AS id, 'text' AS text, 1 AS n, 'x' AS topic, 0.5 AS edu")
    (tmp_path / "a.recipe").write_text(SOURCE + "where n > 1\n")
    return tmp_path


def check_without_engine(folder: Path) -> int:
    """The exit code of `check` where DuckDB cannot be imported."""
    (folder / "none").mkdir(exist_ok=True)
    (folder / "none/duckdb.py").write_text("raise ImportError")
    path = os.pathsep.join([str(folder / "none"), str(REPOSITORY)])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [*RECIPEC, "check", "a.recipe"], cwd=folder, env=environment, capture_output=True, check=False
    ).returncode


def remember(folder: Path, run: Run) -> None:
    """A plan makes the folder of results, and the next command remembers what it reads."""
    run("plan", folder / "a.recipe")
    assert run("check", folder / "a.recipe").code == 0


def test_a_check_leaves_nothing_where_nothing_was_planned(folder: Path, run: Run) -> None:
    before = sorted(folder.rglob("*"))
    assert run("check", folder / "a.recipe").code == 0
    assert sorted(folder.rglob("*")) == before
    assert check_without_engine(folder) != 0


def test_an_unchanged_shard_is_not_opened_again(folder: Path, run: Run) -> None:
    remember(folder, run)
    assert check_without_engine(folder) == 0
    (folder / "a.recipe").write_text(SOURCE + "where nn > 1\n")
    assert check_without_engine(folder) == 1


def test_a_changed_shard_is_opened(folder: Path, run: Run) -> None:
    remember(folder, run)
    write_parquet(folder / "data/0.parquet", "SELECT 'a' AS id, 'text' AS text, 1 AS m, 'x' AS topic, 0.5 AS edu")
    result = run("check", folder / "a.recipe")
    assert result.code == 1
    assert "`n`" in result.err


@pytest.mark.parametrize(
    "damage", ["", "[]", "{", '{"PATH": 1}', '{"PATH": {"mark": "MARK", "columns": [["n", "odd"]]}}']
)
def test_a_damaged_note_is_not_believed(folder: Path, run: Run, damage: str) -> None:
    remember(folder, run)
    note = folder / ".recipec/schemas.json"
    [(path, entry)] = sealed.read_value(note, Entries).root.items()
    note.write_text(damage.replace("PATH", path).replace("MARK", entry.mark))
    assert run("check", folder / "a.recipe").code == 0
    assert sealed.read_value(note, Entries).root == {path: entry}
