"""Benchmark (d): the first and the second `plan` over 10 000 small shards, as processes from start to end.

    python tests/benchmarks/bench_shards.py [--shards 10000] [--folder FOLDER]

Beside them, over the same files in the same run, one DuckDB query in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

RECIPE = """source web {
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}

where n >= 5 and lang == "en"

criterion edu = column(edu) higher is better

sample quadmix {
  curve {
    omega 0.3
  }
}

mixture proportional

repeat at most 3 times

budget 1M tokens

output parquet "out"
"""

BARE = """
import sys, duckdb
print(duckdb.connect().execute(
    "SELECT count(*), sum(n), avg(edu), count(DISTINCT topic) FROM read_parquet(?) WHERE n >= 5 AND lang = 'en'",
    [sys.argv[1] + "/data/*.parquet"],
).fetchall())
"""


def generate(folder: Path, shards: int) -> None:
    """Shards of 100 rows, each about 4 KB."""
    (folder / "data").mkdir(parents=True)
    with duckdb.connect() as connection:
        for shard in range(shards):
            connection.execute(
                f"""
                COPY (SELECT '{shard}-' || i AS id, 'text of document ' || hash(i, {shard}) AS text,
                    3 + hash(i, {shard}, 1) % 50 AS n, 'topic ' || (hash(i, {shard}, 2) % 5) AS topic,
                    if(hash(i, {shard}, 3) % 10 = 0, 'de', 'en') AS lang, (hash(i, {shard}, 4) % 1000) / 1000.0 AS edu
                    FROM range(100) AS r(i))
                TO '{folder}/data/{shard:05}.parquet' (FORMAT parquet)
                """
            )
    (folder / "a.recipe").write_text(RECIPE)


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds from start to end, and of all cores together: where others use the machine, the latter say more."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:7.2f} s, {self.cpu:6.2f} s of CPU"


def timed(command: list[str]) -> Took:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def least(command: list[str], times: int) -> Took:
    return min((timed(command) for _ in range(times)), key=lambda took: took.wall)


def measure(folder: Path, shards: int) -> None:
    python = sys.executable
    bare = least([python, "-c", BARE, str(folder)], 3)
    shutil.rmtree(folder / ".recipec", ignore_errors=True)
    plan = [python, "-m", "recipec", "plan", str(folder / "a.recipe")]
    first = timed(plan)
    second = least(plan, 5)
    print(f"{shards} shards of 100 rows, DuckDB {duckdb.__version__}, load {os.getloadavg()[0]:.1f}")
    print(f"one DuckDB query over them  {bare}")
    print(f"first `recipec plan`        {first} (target 60 s), {first.cpu / bare.cpu:.1f} x the CPU of the query")
    print(f"second `recipec plan`       {second} (target 1.5 s), {second.cpu / bare.cpu:.2f} x the CPU of the query")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="keep the shards here, and use them when they are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name) / "pool"
        if not folder.exists():
            generate(folder, arguments.shards)
        measure(folder, arguments.shards)


if __name__ == "__main__":
    main()
