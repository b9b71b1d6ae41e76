"""Benchmark: what a cascade saves, and what it costs, on the quickstart's text by the default model.

    python tests/benchmarks/bench_cascade.py [--recall 95] [--share 20] [--dtype bf16]

The cascade runs first, in a state folder of its own; then every document is scored, and the two selections are compared. The
authors' way of running the model is timed in the same run (`bench_nag`): what the cascade is worth is documents/s against it.
Needs `recipec model add smollm2-135m`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from recipec import pipeline, quickstart
from recipec.database.connection import connect
from recipec.ir.selection import Selection
from recipec.models import adding
from recipec.quickstart import neurons
from tests import tiny_model
from tests.benchmarks.bench_nag import LENGTH, TOP_K, texts

RECIPE = """seed 42
source web {{
  shards "data/*.parquet"
  id doc_id
  text text
  domain domain
}}
target mathematics {{
  examples "neurons/mathematics.jsonl"
}}
where length(text) > 100
criterion fit = nag(target: mathematics, model: "smollm2-135m", dtype: {dtype}{cascade})
sample top {share}% by fit
output parquet "out/{name}"
"""


def selected(folder: Path, name: str, text: str) -> tuple[set[tuple[str, str]], float, Selection]:
    path = folder / f"{name}.recipe"
    path.write_text(text)
    started = time.perf_counter()
    planned = pipeline.plan(path, {}, score=True)
    manifest = pipeline.apply(planned.plan)
    seconds = time.perf_counter() - started
    with connect() as connection:
        found = connection.execute(
            f"SELECT source, doc_id FROM '{folder}/out/{name}/ledger/*.parquet' WHERE copies > 0"
        )
        return set(found.fetchall()), seconds, manifest.selection


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--recall", type=float, default=95)
    parser.add_argument("--share", type=float, default=20)
    parser.add_argument("--dtype", default="bf16")
    arguments = parser.parse_args()
    model = adding.add("smollm2-135m").folder
    documents = texts(64)
    tiny_model.published_neurons(model, documents[:8], TOP_K, LENGTH, batch=8)
    started = time.perf_counter()
    tiny_model.published_neurons(model, documents, TOP_K, LENGTH, batch=8)
    rate = len(documents) / (time.perf_counter() - started)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        quickstart.build(folder / "data")
        neurons.build(folder)
        form = {"dtype": arguments.dtype, "share": arguments.share}
        cascade = f", cascade: recall {arguments.recall:g}%"
        found, seconds, selection = selected(folder, "cascade", RECIPE.format(cascade=cascade, name="cascade", **form))
        truth, rest, _ = selected(folder, "exact", RECIPE.format(cascade="", name="exact", **form))
    [report] = selection.cascades
    kept = len(found & truth) / len(truth)
    print(f"authors' way: {rate:.1f} documents/s")
    print(report.model_dump())
    print(
        f"cascade: {report.pool / seconds:.1f} documents/s of the pool, {report.pool / seconds / rate:.1f} x the authors' way"
    )
    print(
        f"documents run through the model: {report.exact} of {report.pool}; recall of what exact scores select: {kept:.2%}"
    )
    print(f"cascade {seconds:.0f} s; the rest of the documents after it {rest:.0f} s")


if __name__ == "__main__":
    main()
