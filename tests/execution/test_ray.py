"""Engine `ray` on a real cluster of two nodes on this machine: the same bytes as here, whatever is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run, write_parquet

ray: Any = pytest.importorskip("ray")

from ray.cluster_utils import Cluster  # noqa: E402

from recipec import pipeline  # noqa: E402
from recipec.database.connection import connect  # noqa: E402
from recipec.engines.ray import open_ray  # noqa: E402
from recipec.execution.tasks import Workplace  # noqa: E402
from recipec.pipeline import opening  # noqa: E402
from recipec.progress import silent  # noqa: E402
from tests.execution.test_engines import SCORED  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
"""In one process, so that what all of them need is made once."""

RECIPE = f'{SCORED}output parquet "out"\n'


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.fixture(autouse=True)
def address(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    return str(cluster.address)


@pytest.fixture
def recipe(world: Path) -> Path:
    """A recipe over 14 shards, the last of which are small."""
    for number in range(2, 14):
        write_parquet(
            world / f"data/{number}.parquet",
            "SELECT 'doc-' || i AS id, repeat('some word ' || i || ' ', 12) AS text, 30 AS n, 'a' AS topic, "
            f"(hash(i) % 1000) / 1000.0 AS edu, 1.0 AS ppl FROM range({number * 200}, {number * 200 + 20}) AS r(i)",
        )
    path = world / "a.recipe"
    path.write_text(RECIPE)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_bytes_as_on_this_machine(recipe: Path, run: Run, address: str) -> None:
    folder = recipe.parent
    assert run("apply", recipe, "--yes").code == 0
    here = files(folder / "out")
    (folder / "out").rename(folder / "here")
    (folder / ".recipec").rename(folder / "state")
    result = run("apply", recipe, "--yes", "--engine", "ray", "--address", address)
    assert result.code == 0, result.err
    assert files(folder / "out") == here
    assert run("verify", folder / "out").code == 0


def test_a_lost_machine_loses_nothing(recipe: Path, cluster: Any) -> None:
    node = cluster.add_node(num_cpus=2)
    compiled = pipeline.compile_recipe(recipe, {})
    with opening.opened(compiled, opening.settings(recipe), "cpu", silent) as (place, _):
        run = place.run(compiled.recipe)
        run.read()
        tasks = [*run.pool.score_tasks(run.pool.groups()[0])]
        with (
            connect(opening.settings(recipe.parent / "x", threads=2)) as connection,
            open_ray(Workplace(connection, run.pool.store.root, run.pool.folder, 2)) as engine,
        ):
            done: list[int] = []
            for task in engine.run(tasks):
                if not done:
                    cluster.remove_node(node, allow_graceful=False)
                done.append(id(task))
        assert sorted(done) == sorted(map(id, tasks))
        assert all((run.pool.store.root / name).is_file() for task in tasks for name in task.results)


def test_a_task_whose_workers_die_is_said(recipe: Path, run: Run, cluster: Any) -> None:
    ended = threading.Event()
    raylets = {str(one.process.pid) for node in cluster.list_all_nodes() for one in node.all_processes["raylet"]}

    def kill() -> None:
        while not ended.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    # Another process of pytest-xdist may have a cluster of its own.
                    parent = path.with_name("stat").read_text().rpartition(")")[2].split()[1]
                    if parent in raylets and path.read_bytes().startswith(b"ray::work"):
                        os.kill(int(path.parent.name), signal.SIGKILL)
                except OSError:
                    continue
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        result = run("plan", recipe, "--engine", "ray")
    finally:
        ended.set()
        killer.join()
    assert result.code == 1
    assert "error[R2002]" in result.err
    assert "a worker of the cluster was lost 3 times at this shard" in result.err
    assert "data/" in result.err


def test_damaged_and_unreadable_shards_are_said_as_here(recipe: Path, run: Run) -> None:
    (recipe.parent / "data/5.parquet").write_bytes(b"PAR1 no table PAR1")
    ours, theirs = run("plan", recipe), run("plan", recipe, "--engine", "ray")
    assert (ours.code, ours.err) == (theirs.code, theirs.err)
    assert theirs.code == 1


def test_another_version_is_refused_before_anything_runs(
    recipe: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipec.engines.ray.__version__", "9.9")
    result = run("plan", recipe, "--engine", "ray")
    assert result.code == 1
    assert result.err.count("error[R2001]") == 2
    assert "has recipec 0.1.0, and this one 9.9" in result.err
    assert not list(recipe.parent.glob(".recipec/steps/*/*.parquet"))
    assert not list(recipe.parent.glob(".recipec/seen-*"))


def test_a_cluster_that_is_not_there_is_said(recipe: Path, run: Run) -> None:
    result = run("plan", recipe, "--engine", "ray", "--address", "127.0.0.1:1")
    assert result.code == 1
    assert "error[R2001]" in result.err
    assert "no Ray cluster can be reached at `127.0.0.1:1`" in result.err


def test_nothing_imports_ray_without_it(recipe: Path) -> None:
    script = (
        "import sys; sys.modules['ray'] = None\n"
        "from recipec.cli.main import main\n"
        f"assert main(['plan', {str(recipe)!r}]) == 0\n"
        f"sys.exit(main(['plan', {str(recipe)!r}, '--engine', 'ray']))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "pip install 'recipec[ray]'" in ended.stderr
    assert "Traceback" not in ended.stderr
