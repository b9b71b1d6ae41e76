"""What is published was made of the planned bytes: files that change while they are read, whatever size and time they have."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recipec import pipeline
from recipec.diagnostics import ExitCode, Failure
from recipec.ir.execution import ExecutionPlan
from recipec.progress import Progress
from tests.dataset.small_dataset import tree, verify

pytestmark = pytest.mark.slow

RECIPE = """
source web {
  shards "data/*.jsonl"
  id id
  text text
  tokens n
  attributes "side/*.jsonl" by row { columns q }
}
target names { examples "names.txt" }
where word_count() >= 2
where not overlaps(names, ngram: 3)
criterion q = column(q) higher is better
sample top 90% by q
output parquet "out" { shard 1KB, shuffle }
"""


def line(number: int, word: str = "word") -> str:
    return json.dumps({"id": f"d{number}", "text": f"{word} number {number} of the shard", "n": 6}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data", "side"):
        (tmp_path / name).mkdir()
    for shard in range(3):
        numbers = range(100 * shard, 100 * shard + 100)
        (tmp_path / f"data/{shard}.jsonl").write_text("".join(map(line, numbers)))
        (tmp_path / f"side/{shard}.jsonl").write_text("".join(f'{{"q": {n % 7}}}\n' for n in numbers))
    (tmp_path / "names.txt").write_text("the names of some people\n")
    (tmp_path / "a.recipe").write_text(RECIPE)
    return tmp_path


def replace_unseen(path: Path) -> None:
    """Other bytes of the same size, with the same time of change."""
    found = path.stat()
    text = path.read_text()
    path.write_text(text.replace("word", "WORD").replace('"q": 1', '"q": 2').replace("people", "cities"))
    assert path.stat().st_size == found.st_size
    assert path.read_text() != text
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def planned(folder: Path) -> ExecutionPlan:
    return pipeline.plan(folder / "a.recipe", {}, score=True).plan


def at(moment: str, action: Callable[[], None]) -> Progress:
    """A receiver of progress that acts once, when a step is first reported."""
    acted = False

    def progress(task: str, done: float, total: float, unit: str) -> None:
        nonlocal acted
        if task.startswith(moment) and not acted:
            acted = True
            action()

    return progress


FILES = ("data/1.jsonl", "side/1.jsonl", "names.txt")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("moment", ["write", "check shards"])
def test_a_file_that_changes_while_apply_runs_is_not_published(folder: Path, name: str, moment: str) -> None:
    plan = planned(folder)
    with pytest.raises(Failure) as caught:
        pipeline.apply(plan, progress=at(moment, lambda: replace_unseen(folder / name)))
    assert caught.value.exit_code == ExitCode.STALE
    assert not (folder / "out").exists()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_replaced_between_plan_and_apply_is_not_read(folder: Path, name: str) -> None:
    plan = planned(folder)
    replace_unseen(folder / name)
    with pytest.raises(Failure) as caught:
        pipeline.apply(plan)
    assert (caught.value.exit_code, caught.value.diagnostics[0].code) == (ExitCode.STALE, "R0708")
    assert not (folder / "out").exists()


def test_a_file_that_changes_and_is_put_back_while_apply_runs_is_noticed(folder: Path) -> None:
    plan = planned(folder)
    path, kept = folder / "data/1.jsonl", folder / "kept"
    shutil.copy2(path, kept)

    def swap() -> None:
        replace_unseen(path)
        shutil.copy2(kept, path)

    with pytest.raises(Failure, match="changed while it was read"):
        pipeline.apply(plan, progress=at("write", swap))
    assert not (folder / "out").exists()


@pytest.mark.parametrize("name", FILES[:2])
@pytest.mark.parametrize("moment", ["read web", "score web", "rank", "sample"])
def test_what_was_made_of_other_bytes_is_not_kept(folder: Path, name: str, moment: str) -> None:
    """Once the planned bytes are back, they are read again."""
    expected = planned(folder).selection
    assert expected is not None
    shutil.rmtree(folder / ".recipec")
    kept = shutil.copy2(folder / name, folder / "kept")
    with pytest.raises(Failure, match="changed while it was read"):
        pipeline.plan(folder / "a.recipe", {}, score=True, progress=at(moment, lambda: replace_unseen(folder / name)))
    shutil.copy2(kept, folder / name)
    again = planned(folder).selection
    assert again is not None
    assert again.digest == expected.digest


def test_a_moved_file_is_the_same(folder: Path) -> None:
    """Another inode, time and place on the disk, the same bytes."""
    plan = planned(folder)
    for name in FILES:
        shutil.copy(folder / name, folder / "moved")
        (folder / "moved").replace(folder / name)
    pipeline.apply(plan)
    assert verify(folder / "out") == []


def test_an_unchanged_dataset_is_not_written_again(folder: Path) -> None:
    plan = planned(folder)
    pipeline.apply(plan)
    before = tree(folder / "out"), [path.stat().st_mtime_ns for path in _files(folder / "out")]
    pipeline.apply(plan)
    assert (tree(folder / "out"), [path.stat().st_mtime_ns for path in _files(folder / "out")]) == before


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
