"""The engine of this machine: what it makes does not depend on how, and it ends in order whatever happens to its tasks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from recipec import pipeline
from recipec.database.connection import connect
from recipec.diagnostics import Failure
from recipec.engines import local
from recipec.execution.run import Run
from recipec.execution.tasks import Workplace
from recipec.ir.task import ScoreTask, Task
from recipec.pipeline import opening
from recipec.places import sealed
from recipec.progress import silent
from tests.conftest import RECIPEC, REPOSITORY, SOURCE, wait_for
from tests.plugins.plugin_world import lay_out

pytestmark = pytest.mark.slow

TASK: TypeAdapter[Task] = TypeAdapter(Task)

SCORED = (
    SOURCE
    + """
where word_count() > 11
where language() == "en" or duplicate_ngram_ratio() < 2
criterion edu = column(edu) higher is better
sample top 50% by edu
"""
)
"""A score in SQL, and two that Python computes."""


@pytest.fixture
def scored(world: Path) -> Iterator[Run]:
    """A run whose shards are read."""
    path = world / "a.recipe"
    path.write_text(SCORED)
    compiled = pipeline.compile_recipe(path, {})
    with opening.opened(compiled, opening.settings(path), "cpu", silent) as (place, _):
        run = place.run(compiled.recipe)
        run.read()
        yield run


def made(run: Run, root: Path, tasks: list[Task], threads: int, worth: float) -> dict[str, bytes]:
    """The results of tasks in a state folder of their own, which has what they read."""
    stored = (run.pool.store.root / "steps").rglob("*")
    for file in (path for path in stored if path.suffix == ".parquet" or path.name == sealed.SUMS):
        copy = root / file.relative_to(run.pool.store.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    with (
        connect(opening.settings(root / "x", threads=threads)) as connection,
        local.open_local(Workplace(connection, root, run.pool.folder, threads), worth) as engine,
    ):
        assert {id(task) for task in engine.run(tasks)} == {id(task) for task in tasks}
    return {name: (root / name).read_bytes() for task in tasks for name in task.results}


def score_tasks(run: Run) -> list[Task]:
    """Tasks of the first group of scores, whose documents are known."""
    return [*run.pool.score_tasks(run.pool.groups()[0])]


def python_tasks(run: Run) -> list[Task]:
    """Tasks of criteria that Python computes; the scores before them are made."""
    group = next(
        group for group in run.pool.groups() if any(op.call.function == "language" for op in run.pool.scores(group))
    )
    for before in run.pool.groups()[: run.pool.groups().index(group)]:
        list(run.runner.run(run.pool.score_tasks(before)))
    return [*run.pool.score_tasks(group)]


def test_tasks_can_be_sent_as_json(scored: Run, tmp_path: Path) -> None:
    tasks = [*python_tasks(scored), *score_tasks(scored)]
    sent = [TASK.validate_json(TASK.dump_json(task)) for task in tasks]
    assert sent == tasks
    here = made(scored, tmp_path / "1", tasks, threads=1, worth=9e9)
    assert made(scored, tmp_path / "2", sent, threads=1, worth=9e9) == here


@pytest.mark.parametrize(("threads", "worth"), [(2, 9e9), (2, 0.0), (3, 0.0)], ids=["threads", "processes", "more"])
def test_threads_and_processes_make_the_same_bytes(scored: Run, tmp_path: Path, threads: int, worth: float) -> None:
    tasks = python_tasks(scored)
    assert len(tasks) == 2
    assert made(scored, tmp_path / "1", tasks, threads=1, worth=0.0) == made(
        scored, tmp_path / "2", tasks, threads=threads, worth=worth
    )


def test_a_result_that_is_there_is_not_made_again(scored: Run, tmp_path: Path) -> None:
    tasks = python_tasks(scored)
    made(scored, tmp_path / "1", tasks, threads=1, worth=9e9)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "1").rglob("*.parquet")}
    with connect() as connection, local.open_local(Workplace(connection, tmp_path / "1", Path("nowhere"), 1)) as engine:
        assert list(engine.run(tasks)) == tasks
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "1").rglob("*.parquet")} == before


def test_of_several_failures_the_first_in_order_is_told(scored: Run, tmp_path: Path) -> None:
    tasks = [
        task.model_copy(update={"shard": task.shard.model_copy(update={"path": f"data/gone{n}.parquet"})})
        for n, task in enumerate(python_tasks(scored) * 3)
        if isinstance(task, ScoreTask)
    ]
    for threads in (1, 2):
        with pytest.raises(Failure) as failed:
            made(scored, tmp_path / str(threads), [*tasks], threads=threads, worth=9e9)
        assert failed.value.diagnostics[0].place.endswith("gone0.parquet")


def test_a_task_of_a_connection_leaves_that_connection_alone(scored: Run) -> None:
    """Two tasks on one connection have temporary tables of their own."""
    place = Workplace(scored.pool.connection, scored.pool.store.root, scored.pool.folder, 1)
    with local.open_local(replace(place, threads=2)) as engine:
        list(engine.run(python_tasks(scored)))
    tables = scored.pool.connection.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%batch%'")
    assert tables.fetchall() == []


CRITERION = """
import os, time
from pathlib import Path
import numpy as np
from pydantic import BaseModel
from recipec.spec import Criterion
class Params(BaseModel):
    pass
def batch(texts, params):
    Path(__file__).with_name(f"started-{os.getpid()}").touch()
    BODY
    return np.ones(len(texts))
SPEC = Criterion(name="slow", summary="", source="", params=Params, batch=batch, cost=1e9, direction="higher")
"""
"""Costs so much that processes of their own compute it."""


def planning(world: Path, body: str) -> tuple[subprocess.Popen[str], Path]:
    """`recipec plan` of a recipe whose criterion does something, and the folder in which it says which processes do."""
    packages = lay_out(world / "packages", "slow", "1", {"criteria": {"slow": "slow"}}, CRITERION.replace("BODY", body))
    (world / "a.recipe").write_text(f'needs "slow"\n{SOURCE}criterion s = slow()\nsample top 50% by s\n')
    paths = os.pathsep.join([str(REPOSITORY), str(packages)])
    process = subprocess.Popen(
        [*RECIPEC, "plan", "a.recipe", "--score", "--threads", "2"],
        cwd=world,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return process, packages


def alive(folder: Path) -> list[int]:
    """The processes that computed and are still there."""
    pids = [int(path.name.partition("-")[2]) for path in folder.glob("started-*")]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_killed_process_is_a_diagnostic(world: Path) -> None:
    process, _ = planning(world, "os.kill(os.getpid(), 9)")
    _, said = process.communicate()
    assert process.returncode == 1
    # On a busy machine, progress is said first.
    assert "\nerror[R0405]: a process that computes criteria was killed" in f"\n{said}"
    assert "Traceback" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_processes_too(world: Path, how: signal.Signals) -> None:
    process, packages = planning(world, "time.sleep(60)")
    wait_for(lambda: alive(packages))
    process.send_signal(how)
    _, said = process.communicate()
    assert "Traceback" not in said
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    wait_for(lambda: not alive(packages))


def test_after_a_failure_tasks_start_no_processes(scored: Run) -> None:
    """And the next tasks may."""
    tasks = python_tasks(scored)
    root = scored.pool.store.root
    with connect() as connection:
        place = Workplace(connection, root, scored.pool.folder, 2)
        with local.open_local(place, 0.0) as engine:
            assert engine.processes.submit(len, "four").result() == 4
            engine.processes.kill()
            with pytest.raises(BrokenExecutor):
                engine.processes.submit(len, "four")
            assert len(list(engine.run(tasks))) == len(tasks)
    assert all((root / name).is_file() for task in tasks for name in task.results)
