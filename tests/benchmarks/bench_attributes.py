"""Benchmark: attributes joined by id with a pool, beside a bare DuckDB join of the same files.

    python tests/benchmarks/bench_attributes.py [--documents 3000000] [--files 12] [--folder FOLDER]

The bare join writes what it finds, `id` and the attributes, to one Parquet file. Recipec's own checks that no id stands twice,
and writes the attributes by shard and row, synced. Both run in processes of their own, of which only the join is timed.
Beside them whole plans: with the attributes joined, and with the same columns in the shards.
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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

RECIPE = """source web {
  shards "SHARDS/*.parquet"
  ATTRIBUTES
  id id
  text text
  tokens n
  domain topic
}

where edu > 0.1
criterion edu = column(edu) higher is better
sample quadmix { curve { omega 0.3 } }
mixture proportional
repeat at most 3 times
budget 1M tokens
"""

ATTRIBUTES = 'attributes "side/*.parquet" by id { columns edu topic }'

BARE = """
import sys, time, duckdb
folder, memory = sys.argv[1:]
connection = duckdb.connect(config={"memory_limit": memory, "preserve_insertion_order": False})
connection.execute("SET enable_progress_bar = false")
started, cpu = time.perf_counter(), time.process_time()
connection.execute(
    f"COPY (SELECT id, edu, topic FROM read_parquet('{folder}/pool/*.parquet') AS pool LEFT JOIN "
    f"read_parquet('{folder}/side/*.parquet') AS side USING (id)) TO '{folder}/joined.parquet' (FORMAT parquet, COMPRESSION zstd)"
)
print(time.perf_counter() - started, time.process_time() - cpu)
"""

OURS = """
import sys, time
from pathlib import Path
from recipec import pipeline
from recipec.execution import run
from recipec.inputs import attributes
whole, took = attributes.store, []
def timed(*words):
    started, cpu = time.perf_counter(), time.process_time()
    whole(*words)
    took.append((time.perf_counter() - started, time.process_time() - cpu))
attributes.store = timed
path = Path(sys.argv[1]) / "beside.recipe"
pipeline.plan(path, {}, settings=pipeline.settings(path, memory=sys.argv[2]))
print(*map(sum, zip(*took)))
"""


def generate(folder: Path, documents: int, files: int) -> None:
    """Documents with ids of 36 characters; their attributes stand in as many files, in another order."""
    for name in ("pool", "inside", "side"):
        (folder / name).mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            CREATE TABLE documents AS SELECT md5(i :: VARCHAR) || '-doc' AS id, 20 + hash(i) % 50 AS n, i,
                (hash(i, 1) % 1000) / 1000.0 AS edu, 'topic ' || hash(i, 2) % 20 AS topic FROM range({documents}) AS r(i)
            """
        )
        text = "repeat('some words ' || (i % 97) || ' ', 10) AS text"
        for number in range(files):
            mine = f"i >= {number * documents // files} AND i < {(number + 1) * documents // files}"
            for name, columns, which in (
                ("pool", f"id, {text}, n", mine),
                ("inside", f"id, {text}, n, edu, topic", mine),
                ("side", "id, edu, topic", f"hash(i, 3) % {files} = {number} ORDER BY hash(i, 4)"),
            ):
                connection.execute(
                    f"COPY (SELECT {columns} FROM documents WHERE {which}) "
                    f"TO '{folder}/{name}/{number:05}.parquet' (FORMAT parquet)"
                )
    beside = RECIPE.replace("SHARDS", "pool").replace("ATTRIBUTES", ATTRIBUTES)
    (folder / "beside.recipe").write_text(beside)
    (folder / "inside.recipe").write_text(RECIPE.replace("SHARDS", "inside").replace("  ATTRIBUTES\n", ""))


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds from start to end, and of all cores together: where others use the machine, the latter say more."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:6.2f} s, {self.cpu:6.2f} s of CPU"


def least(found: Iterable[Took]) -> Took:
    """The least of both: what else runs on the machine only adds to them."""
    walls, cpus = zip(*((one.wall, one.cpu) for one in found), strict=True)
    return Took(min(walls), min(cpus))


def said(script: str, folder: Path, memory: str) -> Took:
    """The seconds that a script says, with nothing stored."""
    shutil.rmtree(folder / ".recipec", ignore_errors=True)
    command = [sys.executable, "-c", script, str(folder), memory]
    wall, cpu = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return Took(float(wall), float(cpu))


def planned(folder: Path, recipe: str, *, again: bool = False) -> Took:
    """The seconds of a plan, with nothing stored unless it is made again."""
    if not again:
        shutil.rmtree(folder / ".recipec", ignore_errors=True)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "recipec", "plan", str(folder / recipe)]
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(folder: Path, memory: str, times: int) -> None:
    # In turns, so that what else runs on the machine meets both.
    pairs = [(said(BARE, folder, memory), said(OURS, folder, memory)) for _ in range(times)]
    bare, ours = (least(values) for values in zip(*pairs, strict=True))
    print(f"DuckDB {duckdb.__version__}, {os.cpu_count()} cores, {memory}, load {os.getloadavg()[0]:.1f}")
    print(f"bare join, written       {bare}")
    print(
        f"recipec's join, stored   {ours}: {ours.wall / bare.wall:.2f} x, CPU {ours.cpu / bare.cpu:.2f} x (target 1.2 x)"
    )
    plans = [(planned(folder, "inside.recipe"), planned(folder, "beside.recipe")) for _ in range(times)]
    inside, beside = (least(values) for values in zip(*plans, strict=True))
    more = (
        f"{(beside.wall - inside.wall) / bare.wall:.2f} bare joins more, CPU {(beside.cpu - inside.cpu) / bare.cpu:.2f}"
    )
    print(f"plan, columns in shards  {inside}")
    print(f"plan, attributes beside  {beside}: {more}")
    print(f"the same again           {least(planned(folder, 'beside.recipe', again=True) for _ in range(times))}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=3_000_000)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the files here, and use them when they are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name) / "files"
        if not folder.exists():
            generate(folder, arguments.documents, arguments.files)
        measure(folder, arguments.memory, arguments.times)


if __name__ == "__main__":
    main()
