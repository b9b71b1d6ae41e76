"""Benchmark (d): `recipec explain` of one document in a ledger of 10 million rows, as a process from start to end.

    python tests/benchmarks/bench_explain.py [--documents 10_000_000]

Beside it a bare DuckDB process that fetches the same row from the same ledger by id.
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
}

criterion edu = column(edu) higher is better

repeat at most 4 times

output parquet "out"
"""

BARE = """
import duckdb, sys
found = duckdb.connect().execute(f"SELECT * FROM '{sys.argv[1]}/ledger/*.parquet' WHERE doc_id = ?", [sys.argv[2]])
print(found.fetchall())
"""


def small_dataset(folder: Path) -> Path:
    """A real dataset of a few documents, whose ledger is then replaced by a large one of the same columns."""
    (folder / "data").mkdir()
    with duckdb.connect() as connection:
        rows = "SELECT 'doc-' || i AS id, 'text' AS text, 10 AS n, i / 100.0 AS edu FROM range(100) AS r(i)"
        connection.execute(f"COPY ({rows}) TO '{folder}/data/a.parquet' (FORMAT parquet)")
    (folder / "a.recipe").write_text(RECIPE)
    command = [sys.executable, "-m", "recipec", "apply", str(folder / "a.recipe"), "--yes"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "out"


def enlarge(dataset: Path, documents: int) -> None:
    (small,) = (dataset / "ledger").glob("*.parquet")
    large = small.with_suffix(".large")
    with duckdb.connect() as connection:
        columns = connection.execute(f"DESCRIBE SELECT * FROM '{small}'").fetchall()
        values = {
            "doc_id": "'doc-' || lpad(i :: VARCHAR, 10, '0')",
            "row": "i % 100000",
            "rank": "(i + 1) / 1e7",
            "draw": "(hash(i) % 1000003 + 0.5) / 1000003.0",
            "merged": "i / 1e7 - 0.5",
            "score_edu": "1 - i / 1e7",
        }
        names = ", ".join(f"{values.get(name, f'first.{name}')} AS {name}" for name, *_ in columns)
        connection.execute(
            f"COPY (SELECT {names} FROM range({documents}) AS r(i), (FROM '{small}' WHERE copies > 0 LIMIT 1) AS first "
            f"ORDER BY source, doc_id) TO '{large}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 98304)"
        )
    large.replace(small)


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=10_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        dataset = small_dataset(Path(name))
        enlarge(dataset, arguments.documents)
        document = f"doc-{arguments.documents * 2 // 3:010}"
        ours = [seconds([sys.executable, "-m", "recipec", "explain", str(dataset), document]) for _ in range(5)]
        bare = [seconds([sys.executable, "-c", BARE, str(dataset), document]) for _ in range(5)]
    print(f"explain     {statistics.median(ours):.3f} s (target 0.5)")
    print(f"bare DuckDB {statistics.median(bare):.3f} s")
    print(f"ratio       {statistics.median(ours) / statistics.median(bare):.2f}")


if __name__ == "__main__":
    main()
