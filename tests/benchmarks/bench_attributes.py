"""Benchmark: attributes joined by id with a pool, beside a bare DuckDB join of the same files.

    python tests/benchmarks/bench_attributes.py [--documents 3000000] [--files 12] [--folder FOLDER]

The bare join writes what it finds, `id` and the attributes, to one Parquet file. Recipec's own checks that no id stands twice,
and writes the attributes by shard and row, synced. Both run in processes of their own, of which only the join is timed.
Beside them whole plans: with the attributes joined, and with the same columns in the shards.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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
started = time.perf_counter()
connection.execute(
    f"COPY (SELECT id, edu, topic FROM read_parquet('{folder}/pool/*.parquet') LEFT JOIN "
    f"read_parquet('{folder}/side/*.parquet') USING (id)) TO '{folder}/joined.parquet' (FORMAT parquet, COMPRESSION zstd)"
)
print(time.perf_counter() - started)
"""

OURS = """
import sys, time
from pathlib import Path
from recipec import pipeline
from recipec.execution import run
from recipec.inputs import attributes
whole, took = attributes.store, []
def timed(*words):
    started = time.perf_counter()
    whole(*words)
    took.append(time.perf_counter() - started)
attributes.store = timed
path = Path(sys.argv[1]) / "beside.recipe"
pipeline.plan(path, {}, settings=pipeline.settings(path, memory=sys.argv[2]))
print(sum(took))
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


def said(script: str, folder: Path, memory: str, times: int) -> float:
    """The least seconds that a script says, with nothing stored."""
    found = []
    for _ in range(times):
        shutil.rmtree(folder / ".recipec", ignore_errors=True)
        command = [sys.executable, "-c", script, str(folder), memory]
        found.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return min(found)


def planned(folder: Path, recipe: str, times: int, *, again: bool = False) -> float:
    """The least seconds of a plan, with nothing stored unless it is made again."""
    command: Sequence[str] = [sys.executable, "-m", "recipec", "plan", str(folder / recipe)]
    found = []
    for _ in range(times):
        if not again:
            shutil.rmtree(folder / ".recipec", ignore_errors=True)
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - started)
    return min(found)


def measure(folder: Path, memory: str, times: int) -> None:
    # In turns, so that what else runs on the machine meets both.
    pairs = [(said(BARE, folder, memory, 1), said(OURS, folder, memory, 1)) for _ in range(times)]
    bare, ours = (min(values) for values in zip(*pairs, strict=True))
    print(f"DuckDB {duckdb.__version__}, {os.cpu_count()} cores, {memory}, load {os.getloadavg()[0]:.1f}")
    print(f"bare join, written      {bare:6.2f} s")
    print(f"recipec's join, stored  {ours:6.2f} s: {ours / bare:.2f} x (target 1.2 x)")
    inside = planned(folder, "inside.recipe", times)
    beside = planned(folder, "beside.recipe", times)
    print(f"first plan, columns in the shards   {inside:6.2f} s")
    print(f"first plan, attributes beside them  {beside:6.2f} s, {(beside - inside) / bare:.2f} bare joins more")
    print(f"second plan, attributes beside them {planned(folder, 'beside.recipe', times, again=True):6.2f} s")


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
