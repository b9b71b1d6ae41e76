"""What several tests need: a small world of shards, recipes beside them, the command line in this process, plug-ins."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before numpy and torch are imported, here and in every process that a test starts: on the small arrays of the tests
# threads cost five times what they give, above all where several workers share the cores.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
# What is printed depends on no terminal: as wide as what goes to a pipe (pytest-xdist would say 80).
os.environ["COLUMNS"] = "160"

import duckdb
import pytest

from recipec.cli.main import main
from recipec.database import confinement

REPOSITORY = Path(__file__).parents[1]

# In memory where there is room, as a sixth of the time goes to flushing small files; PYTEST_DEBUG_TEMPROOT says otherwise.
MEMORY = Path("/dev/shm")
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4e9:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

LONG = bool(os.environ.get("CAMPAIGN"))
"""Whether tests that damage, kill or repeat much run in their long forms."""

pytest_plugins = ("tests.plugins.plugin_world",)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is not marked `slow` is of the fast tier. What runs models is run by one process, one after the other: torch is
    imported once, and the processes of several tests do not fight for the cores."""
    for item in items:
        if item.get_closest_marker("slow") is None:
            item.add_marker("fast")
        elif isinstance(item, pytest.Function) and {"tiny_model", "torch"} & vars(item.module).keys():
            item.add_marker(pytest.mark.xdist_group("models"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files of the slow tier alone, for `-m fast`: to import what they test takes seconds."""
    if config.option.markexpr != "fast" or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    return True if re.search(r"^pytestmark = (pytest\.mark\.slow$|\[pytest\.mark\.slow,)", text, re.MULTILINE) else None


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]

RECIPEC = (sys.executable, "-m", "recipec")
"""The command line in a process of its own."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls `recipec` with some words; whatever it raises but an exit is a failure of the test."""

    def call(*words: object) -> Result:
        # The name of the running test, which no process started here needs: those for models are used again in the
        # same surroundings.
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Returns as soon as a condition is true that another process or thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for has not happened"
        time.sleep(0.002)


SCRATCH = duckdb.connect()
"""For the queries of tests, which create nothing in it: to start a database costs more than most of them."""


def write_parquet(path: Path, select: str) -> Path:
    """The rows of a query as a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    SCRATCH.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def rows(query: str) -> list[tuple[Any, ...]]:
    return SCRATCH.execute(query).fetchall()


@pytest.fixture(scope="session", autouse=True)
def reached(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Short queries of these processes may read in the folders of all tests, which saves a database for each test."""
    confinement.reach([tmp_path_factory.getbasetemp()])


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with `data/0.parquet` and `data/1.parquet`: 400 documents in the domains a, b, c with two scores."""
    for number in range(2):
        write_parquet(
            tmp_path / f"data/{number}.parquet",
            f"""
            SELECT 'doc-' || i AS id, repeat('word' || (i % 7) || ' ', (10 + i % 13) :: INTEGER) AS text, (10 + i % 13) * 2 AS n,
                ['a', 'b', 'c'][1 + i % 3] AS topic, (hash(i) % 1000) / 1000.0 AS edu, (hash(i, 1) % 1000) / 10.0 AS ppl
            FROM range({number * 200}, {number * 200 + 200}) AS r(i)
            """,
        )
    return tmp_path


SOURCE = """source web {
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}
"""

MIX = (
    SOURCE
    + """
criterion edu = column(edu) higher is better
criterion ppl = column(ppl) lower is better

quality {
  weights {
    edu 0.6
    ppl 0.4
  }
}

sample quadmix {
  curve {
    omega 0.3
  }
}

mixture {
  a 50%
  b 30%
  c 20%
}

repeat at most 3 times

budget 2K tokens

output parquet "out"
"""
)


@pytest.fixture
def mix(world: Path) -> Path:
    """A recipe over `world` with criteria, a mixture, a limit of repetition and a budget."""
    path = world / "mix.recipe"
    path.write_text(MIX)
    return path
