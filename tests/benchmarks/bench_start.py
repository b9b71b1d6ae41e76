"""Benchmark (c): `recipec --help`, `fmt` and `check` of a small recipe and of very long ones, and a `plan` without changes
over 1 000 shards, as processes from start to end.

    python tests/benchmarks/bench_start.py [--shards 1000] [--statements 200000]

Beside them the same interpreter starting and importing nothing, and importing duckdb. Byte code is written, as it is when
recipec is installed, whatever PYTHONDONTWRITEBYTECODE says.
"""

from __future__ import annotations

import argparse
import os
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


LONG = {
    "where": lambda i: f"where n == {i}",
    "criterion": lambda i: f"criterion c{i} = column(edu) higher is better",
    "param": lambda i: f"param p{i} = {i}",
    "broken": lambda i: f"where n = {i}",
}
"""Statements that a long recipe is made of, beside a source."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


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


MOST_BYTES = 3_900_000


def seconds(command: list[str], runs: int = 7) -> float:
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True, env=ENVIRONMENT)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def long_recipes(command: list[str], folder: Path, statements: int) -> None:
    """`fmt` and `check` of recipes of one kind of statement, at n / 2 and n of them: twice the time is linear."""
    head = RECIPE.split("where")[0]
    path = folder / "long.recipe"
    for kind, statement in LONG.items():
        times = []
        # A longer recipe than 4 MB is refused; a criterion has a weight beside its own line.
        length = len(statement(statements)) + (len(f"c{statements} 1\n") if kind == "criterion" else 0) + 1
        most = min(statements, MOST_BYTES // length)
        for count in (most // 2, most):
            body = "\n".join(statement(i) for i in range(count))
            weights = "\n".join(f"c{i} 1" for i in range(count)) if kind == "criterion" else ""
            path.write_text(head + body + (f"\nquality {{ weights {{\n{weights}\n}} }}" if weights else "") + "\n")
            times += [seconds([*command, *words, str(path)], 1) for words in (("fmt", "--check"), ("check",))]
        print(
            f"{most:,} x {kind:10} fmt {times[2]:.1f} s ({times[2] / times[0]:.2f} x half), "
            f"check {times[3]:.1f} s ({times[3] / times[1]:.2f} x half) (target 60)"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--statements", type=int, default=200_000)
    arguments = parser.parse_args()
    python = sys.executable
    bare, with_duckdb = seconds([python, "-c", ""]), seconds([python, "-c", "import duckdb"])
    recipec = [python, "-m", "recipec"]
    help_ = seconds([*recipec, "--help"])
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name), arguments.shards)
        command = [*recipec, "plan", f"{name}/a.recipe"]
        subprocess.run(command, check=True, capture_output=True)
        plan = seconds(command)
        small = {words: seconds([*recipec, *words.split(), f"{name}/a.recipe"]) for words in ("fmt --check", "check")}
    print(f"python -c ''           {bare:.3f} s")
    print(f"python -c import duckdb {with_duckdb:.3f} s")
    print(f"recipec --help         {help_:.3f} s (target 0.1), {help_ / bare:.1f} x an empty interpreter")
    for words, time_ in small.items():
        print(f"recipec {words:14} {time_:.3f} s (target 0.35)")
    print(
        f"recipec plan, {arguments.shards} shards, no change {plan:.3f} s (target 1), {plan / with_duckdb:.1f} x import duckdb"
    )
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name), 1)
        long_recipes(recipec, Path(name), arguments.statements)


if __name__ == "__main__":
    main()
