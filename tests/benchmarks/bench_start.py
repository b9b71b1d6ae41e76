"""Benchmark (c): `recipec --help`, and a `plan` without changes over 1 000 shards, as processes from start to end.

    python tests/benchmarks/bench_start.py [--shards 1000]

Beside them the same interpreter starting and importing nothing, and importing duckdb.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

RECIPE = """source web {
  shards "data/*.parquet"
  id id
  text text
  tokens n
  domain topic
}

where length(text) >= 5

criterion edu = column(edu) higher is better

mixture proportional

repeat at most 4 times

budget 100K tokens

output parquet "out"
"""


def generate(folder: Path, shards: int) -> None:
    (folder / "data").mkdir()
    with duckdb.connect() as connection:
        for shard in range(shards):
            connection.execute(
                f"""
                COPY (SELECT '{shard}-' || i AS id, 'some text ' || i AS text, 10 AS n, 'topic ' || (i % 5) AS topic,
                    (hash(i, {shard}) % 1000) / 1000.0 AS edu FROM range(200) AS r(i))
                TO '{folder}/data/{shard:05}.parquet' (FORMAT parquet)
                """
            )
    (folder / "a.recipe").write_text(RECIPE)


def seconds(command: list[str]) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=1000)
    arguments = parser.parse_args()
    python = sys.executable
    bare, with_duckdb = seconds([python, "-c", ""]), seconds([python, "-c", "import duckdb"])
    script = Path(python).with_name("recipec")
    help_ = seconds([str(script), "--help"])
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name), arguments.shards)
        command = [str(script), "plan", f"{name}/a.recipe"]
        subprocess.run(command, check=True, capture_output=True)
        plan = seconds(command)
    print(f"python -c ''           {bare:.3f} s")
    print(f"python -c import duckdb {with_duckdb:.3f} s")
    print(f"recipec --help         {help_:.3f} s (target 0.2), {help_ / bare:.1f} x an empty interpreter")
    print(
        f"recipec plan, {arguments.shards} shards, no change {plan:.3f} s (target 1), {plan / with_duckdb:.1f} x import duckdb"
    )


if __name__ == "__main__":
    main()
