"""Publication: at no moment is there no dataset or half a one, and nothing is removed that recipec did not make."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recipec.diagnostics import ExitCode, Failure
from recipec.ir import logical
from recipec.ir.execution import ExecutionPlan
from recipec.places import lease, publish
from tests.conftest import LONG
from tests.dataset.small_dataset import SEED, World, make_world, tree, verify

pytestmark = pytest.mark.slow

MOMENTS = ("os.rename", "os.remove", "os.rmdir", "os.fsync", "exchange")
"""Before what a process is killed: every change of a name, every removal, every flush."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


# What the child process does: writes a world, and kills itself before its n-th moment.


def watch(moment: Callable[[str], None]) -> None:
    """Calls a function before every moment; some of them have no event of their own for hooks."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in MOMENTS:
            moment(event)

    sys.addaudithook(hook)
    for owner, name in ((os, "fsync"), (publish, "exchange")):
        setattr(owner, name, _announced(getattr(owner, name), moment))


def _announced(action: Callable[..., object], moment: Callable[[str], None]) -> Callable[..., object]:
    def called(*arguments: object) -> object:
        moment(action.__name__)
        return action(*arguments)

    return called


def die(folder: Path, number: int, able: bool) -> None:
    plan = ExecutionPlan.model_validate_json((folder / "world.json").read_text())
    assert plan.recipe.output is not None
    assert plan.selection is not None
    op = logical.Write(input=0, output=plan.recipe.output, seed=SEED, sources=plan.recipe.sources)
    if not able:
        publish.exchange = lambda one, other: False
    count = 0

    def moment(what: str) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(moment)
    World(folder, plan, op, folder / "sampled.parquet", plan.selection).write()
    print(count)


def child(world: World, number: int, able: bool = True) -> subprocess.CompletedProcess[str]:
    (world.folder / "world.json").write_text(world.plan.model_dump_json())
    command = [sys.executable, __file__, str(world.folder), str(number), str(int(able))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def moments(world: World, able: bool) -> Iterator[int]:
    """Some of the moments of one run, and the last ones, when the dataset gets its name; with CAMPAIGN=1 all of them."""
    whole = int(child(world, 0, able).stdout)
    step, last = (1, 0) if LONG else (211, 4)
    yield from (*range(1, whole - last, step), *range(max(1, whole - last), whole + 1))


@pytest.mark.parametrize("able", [True, False])
def test_killed_before_any_change_the_first_dataset_is_whole_or_absent(world: World, able: bool) -> None:
    whole = written(world)
    for number in moments(world, able):
        shutil.rmtree(world.out)
        killed = child(world, number, able)
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        if world.out.exists():
            assert tree(world.out) == whole, number
        finish(world, able)
        assert tree(world.out) == whole, number
        assert verify(world.out) == []
        assert left(world) == set(), number


@pytest.mark.parametrize("able", [True, False])
def test_killed_before_any_change_a_dataset_is_there_when_another_replaces_it(world: World, able: bool) -> None:
    other = world.with_output(shuffle=True)
    new = written(other)
    shutil.rmtree(other.out)
    old = written(world)
    missing = 0
    for number in moments(other, able):
        shutil.rmtree(world.out)
        world.write()
        killed = child(other, number, able)
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        missing += not world.out.exists()
        assert not world.out.exists() or tree(world.out) in (old, new), number
        finish(other, able)
        assert tree(world.out) == new, number
        assert left(world) == set(), number
    # Where folders cannot be exchanged there is one moment without a dataset, which the next run closes.
    assert missing <= (0 if able else 1)


def finish(world: World, able: bool) -> None:
    """Writes a world in this process, as to start another takes longer."""
    with pytest.MonkeyPatch.context() as patch:
        if not able:
            patch.setattr(publish, "exchange", lambda one, other: False)
        world.write()


def written(world: World) -> dict[str, str]:
    world.write()
    return tree(world.out)


def left(world: World) -> set[str]:
    """What is left beside the dataset."""
    return {path.name for path in world.folder.glob(".out*")}


def test_two_folders_are_exchanged(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.mkdir()
        (path / path.name).touch()
    if not publish.exchange(one, other):
        pytest.skip("the file system cannot exchange folders")
    assert (sorted(os.listdir(one)), sorted(os.listdir(other))) == (["other"], ["one"])
    with pytest.raises(FileNotFoundError):
        publish.exchange(one, tmp_path / "none")


@pytest.mark.parametrize("name", [".out.replaced", ".out.0123456789abcdef.partial", ".out.partial", ".out.old"])
def test_a_users_folder_beside_the_dataset_stays(world: World, name: str) -> None:
    mine = world.folder / name / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    world.write()
    world.with_output(shuffle=True).write()
    assert mine.read_text() == "mine"
    assert verify(world.out) == []


def test_a_users_folder_where_a_dataset_would_grow_is_in_the_way(world: World) -> None:
    killed = child(world, 9)
    assert killed.returncode == -signal.SIGKILL
    (growing,) = world.folder.glob(".out.*.partial")
    shutil.rmtree(growing)
    growing.mkdir()
    (growing / "mine.txt").write_text("mine")
    with pytest.raises(Failure, match="in the way"):
        world.write()
    assert (growing / "mine.txt").read_text() == "mine"


def test_a_dataset_grows_anew_where_a_shard_has_changed_since(world: World) -> None:
    """The parts that are written already were made of other bytes, even if they are the planned ones again."""
    whole = written(world)
    shutil.rmtree(world.out)
    assert child(world, 40).returncode == -signal.SIGKILL
    (growing,) = world.folder.glob(".out.*.partial")
    before = {path.stat().st_mtime_ns for path in growing.rglob("*.parquet")}
    assert before
    shard = world.folder / world.plan.shards[0].path
    shard.write_bytes(shard.read_bytes())
    world.write()
    assert tree(world.out) == whole
    assert not {path.stat().st_mtime_ns for path in world.out.rglob("*.parquet")} & before


def test_two_projects_with_the_same_output_do_not_write_at_once(world: World, tmp_path: Path) -> None:
    other = make_world(tmp_path / "other")
    destination = tmp_path / "shared"
    command = [sys.executable, "-c", HOLD, str(destination)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Failure) as caught:
            world.write(destination=destination)
        assert caught.value.exit_code == ExitCode.LOCKED
        assert caught.value.diagnostics[0].code == "R0608"
        holder.kill()
    assert world.write(destination=destination).plan == other.write(destination=destination).plan
    assert not list(tmp_path.glob(".shared*"))


HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom recipec.places import lease\n"
    "with lease.output(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_the_lock_of_a_dataset_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """The file of the lock is removed by its holder, while others open it."""
    log, counter = tmp_path / "log", tmp_path / "counter"
    command = [sys.executable, "-c", TAKE, str(tmp_path / "out"), str(log), str(counter)]
    takers = [subprocess.Popen(command, env=_environment()) for _ in range(4)]
    assert [taker.wait() for taker in takers] == [0] * 4
    assert log.read_text() == ""
    assert not (tmp_path / ".out.lock").exists()


TAKE = """
import sys, time, os
from pathlib import Path
from recipec.diagnostics import Failure
from recipec.places import lease
out, log, held = map(Path, sys.argv[1:])
log.touch()
end = time.monotonic() + 2
while time.monotonic() < end:
    try:
        with lease.output(out):
            try:
                os.close(os.open(held, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                with log.open("a") as file: file.write("twice")
            else:
                os.unlink(held)
    except Failure:
        pass
"""


def test_what_a_killed_holder_leaves_of_a_lock_does_not_lock(tmp_path: Path) -> None:
    (tmp_path / ".out.lock").touch()
    with lease.output(tmp_path / "out"):
        time.sleep(0)
    assert not (tmp_path / ".out.lock").exists()


def test_folders_that_are_ours_are_known_until_the_end(tmp_path: Path) -> None:
    """A removal that is killed leaves the mark."""
    folder = tmp_path / "folder"
    (folder / "data").mkdir(parents=True)
    (folder / "data/part").touch()
    (folder / "manifest.json").write_text(json.dumps({}))
    seen = []
    original = os.unlink

    def unlink(path: str, *more: object, **others: object) -> None:
        seen.append((os.path.basename(path), publish.is_marked(folder)))
        original(path, *more, **others)  # type: ignore[arg-type]

    os.unlink = unlink  # type: ignore[assignment]
    try:
        publish.remove_ours(folder)
    finally:
        os.unlink = original
    assert all(marked for _, marked in seen)
    assert seen[-1][0] == publish.MARK
    assert not folder.exists()


if __name__ == "__main__":
    die(Path(sys.argv[1]), int(sys.argv[2]), bool(int(sys.argv[3])))
