"""Benchmark: similarities of stored neurons to a target, against JSON features, int64 and a loop over layers.

    python tests/benchmarks/bench_similarity.py [--documents 1_000_000]

Ours reads Parquet as `recipec` stores it. The competitor reads one line of JSON a document, (30, 20) lists of numbers, makes
them int64 and adds a gather a layer; it is run on `--compared` documents and its time scaled. Peak memory is ours.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from recipec.criteria import nag
from recipec.ir.passes import Wanted
from recipec.models import features
from recipec.models.worker import ROWS

LAYERS, NEURONS, TOP_K, PART = 30, 1536, 20, 50_000
WANTED = Wanted(kind="neurons", model="m", length=120, neurons="up", top_k=TOP_K)


def neurons(seed: int, count: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.sort(generator.integers(0, NEURONS, (count, LAYERS, TOP_K)), axis=2).astype(np.uint16)


def generate(folder: Path, documents: int, compared: int) -> None:
    with duckdb.connect() as connection:
        for start in range(0, documents, PART):
            found = neurons(start, min(PART, documents - start))
            values = [one.tobytes() for one in found]
            keys = [f"{start + row:032x}" for row in range(len(found))]
            connection.execute(
                f"COPY (SELECT unnest($1) AS content, unnest($2) AS value, 'cpu' AS device) "
                f"TO '{folder}/{start}.parquet' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS})",
                [keys, values],
            )
            if start == 0:
                with (folder / "features.jsonl").open("w") as file:
                    for one in found[:compared]:
                        file.write(json.dumps(one.astype(np.int64).tolist()) + "\n")


def ours(folder: Path) -> None:
    prepared = nag.prepare(nag.Params(target="t"), neurons(1_000_003, 500), neurons(0, 0))
    started = time.monotonic()
    found = []
    with duckdb.connect(config={"memory_limit": "256MB"}) as connection:
        table = features.relation(folder, WANTED)
        result = connection.execute(f"SELECT value FROM {table}")
        while batch := result.fetchmany(8192):
            found.append(nag.features(features.stacked([row[0] for row in batch], WANTED), prepared))
    values = np.concatenate(found)
    seconds = time.monotonic() - started
    # getrusage would count what the parent held when it forked.
    [peak] = [
        line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    print(json.dumps([seconds, int(peak) / 1e3, len(values)]))


def competitor(folder: Path) -> tuple[float, int]:
    profile = nag.prepare(nag.Params(target="t"), neurons(1_000_003, 500), neurons(0, 0)).profile
    started = time.monotonic()
    count = 0
    with (folder / "features.jsonl").open() as file:
        for line in file:
            one = np.array(json.loads(line), dtype=np.int64)
            total = 0.0
            for layer in range(LAYERS):
                total += profile[layer][one[layer]].sum()
            total /= LAYERS
            count += 1
    return time.monotonic() - started, count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--compared", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        ours(arguments.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name), arguments.documents, arguments.compared)
        words = [sys.executable, __file__, "--folder", name]
        seconds, peak, count = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        other, compared = competitor(Path(name))
    scaled = other / compared * count
    print(f"ours        {seconds:7.1f} s for {count:,} documents, peak {peak:,.0f} MB (target 1,000)")
    print(f"competitor  {scaled:7.1f} s (from {compared:,} documents)")
    print(f"ratio       {scaled / seconds:7.1f} (target 20)")


if __name__ == "__main__":
    main()
