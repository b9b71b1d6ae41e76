"""Benchmark: indexing and reading JSON lines (zstd), against DuckDB's typed reader of the same columns and datatrove's.

    python tests/benchmarks/bench_reading.py [--gigabytes 5] [--folder DIR] [--datatrove]

The plan of a recipe that uses six fields is timed as a process: hashing, the structure of all lines, reading, selection;
then once more for another filter. `--datatrove` needs `pip install datatrove orjson`; it reads one
file, whose time is multiplied.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import zstandard

FILES = 16

WORDS = (
    "the",
    "of",
    "and",
    "that",
    "have",
    "on",
    "model",
    "data",
    "café",
    "naïve",
    "‘quoted’",
    "train",
    "river",
    "stone",
)

RECIPE = """source web {
  shards "data/*.jsonl.zst"
  id id
  text text
  tokens token_count
  domain topic
}
where language_score > 0.1 and length(text) > 100
criterion edu = column(edu) higher is better
sample quadmix { curve { lambda 500, omega 0.08, eta 1, epsilon 0.001 } }
budget 1M tokens
"""

COLUMNS = (
    "{id: 'VARCHAR', text: 'VARCHAR', topic: 'VARCHAR', token_count: 'BIGINT', edu: 'DOUBLE', language_score: 'DOUBLE'}"
)


def build(folder: Path, size: int) -> None:
    """Writes `FILES` files with together `size` bytes before compression."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    chance = random.Random(7)
    pool = [word + (str(chance.randrange(500)) if chance.random() < 0.5 else "") for word in WORDS for _ in range(100)]
    texts = [" ".join(chance.choices(pool, k=chance.randrange(50, 1100))) for _ in range(4000)]
    for number in range(FILES):
        written = row = 0
        with zstandard.open(folder / f"data/{number:02}.jsonl.zst", "wt", encoding="utf-8") as file:
            while written < size / FILES:
                text = texts[chance.randrange(len(texts))]
                fields = {
                    "id": f"<urn:{number}-{row}>",
                    "text": text,
                    "url": f"http://example.org/{number}/{row}",
                    "dump": "CC-2024",
                    "date": "2024-03-01T10:00:00Z",
                    "language_score": chance.random(),
                    "token_count": len(text) // 4,
                    "edu": chance.random() * 5,
                    "topic": chance.choice("abc"),
                    "meta": {"q": chance.random(), "tags": ["x", "y"]},
                }
                written += file.write(json.dumps(fields, ensure_ascii=False) + "\n")
                row += 1
    (folder / "a.recipe").write_text(RECIPE)


def plan(folder: Path, recipe: str) -> float:
    (folder / "a.recipe").write_text(recipe)
    begun = time.perf_counter()
    command = [sys.executable, "-m", "recipec", "plan", str(folder / "a.recipe")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def typed(folder: Path) -> float:
    files = f"'{folder}/data/*.jsonl.zst'"
    query = (
        "SELECT count(id), sum(length(text)), count(topic), sum(token_count), sum(edu), sum(language_score) "
        f"FROM read_ndjson({files}, columns = {COLUMNS})"
    )
    begun = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute(query).fetchall()
    return time.perf_counter() - begun


def datatrove(folder: Path) -> float:
    """Seconds of datatrove's reader for all files with the same number of processes, from those for one file."""
    from datatrove.pipeline.readers import JsonlReader  # type: ignore[import-not-found]

    begun = time.perf_counter()
    reader = JsonlReader(str(folder / "data"), glob_pattern="00.jsonl.zst", text_key="text", id_key="id")
    assert sum(1 for _ in reader.run()) > 0
    return (time.perf_counter() - begun) * FILES / (os.cpu_count() or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--datatrove", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="recipec-reading-"))
    if not (folder / "data").is_dir():
        build(folder, int(arguments.gigabytes * 1e9))
    size = sum(path.stat().st_size for path in (folder / "data").iterdir())
    print(
        f"{arguments.gigabytes:g} GB of JSON lines in {FILES} files, {size / 1e9:.2f} GB compressed, {os.cpu_count()} cores"
    )
    typed(folder)
    bare = typed(folder)
    shutil.rmtree(folder / ".recipec", ignore_errors=True)
    first = plan(folder, RECIPE)
    again = plan(folder, RECIPE.replace("> 0.1", "> 0.2"))
    print(f"DuckDB's typed reader      {bare:7.1f} s")
    print(f"first plan                 {first:7.1f} s, {first / bare:.2f} x (target 1.6)")
    print(f"with another filter        {again:7.1f} s")
    if arguments.datatrove:
        other = datatrove(folder)
        print(
            f"datatrove's JsonlReader    {other:7.1f} s (one file, times {FILES} by cores), {other / first:.1f} x the first plan"
        )
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
