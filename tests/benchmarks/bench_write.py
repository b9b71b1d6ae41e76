"""Materialising a dataset against a bare `COPY` of the same rows, and against datatrove.

    python tests/benchmarks/bench_write.py --gigabytes 5 --datatrove /root/dtvenv/bin/python

Each runs in a process of its own; prints seconds and peak memory of each, and the ratios. Aimed at: at most 1.3 times a
bare COPY, at least 5 times as fast as datatrove's reader → filter → writer.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BYTES_PER_DOCUMENT = 4_000

SHARDS = 8

OMEGA = 0.5

KEPT = 0.6
"""Share of the documents that is selected."""

DATATROVE = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter
source, target, logs, tasks, format = sys.argv[1:]
if __name__ == "__main__":
    LocalPipelineExecutor(
        pipeline=[
            ParquetReader(source, glob_pattern="*.parquet", text_key="text", id_key="id"),
            LambdaFilter(lambda document: document.metadata["kept"]),
            ParquetWriter(target, compression="zstd") if format == "parquet" else JsonlWriter(target),
        ],
        tasks=int(tasks), workers=int(tasks), logging_dir=logs,
    ).run()
"""


DATATROVE_WRITERS = {"jsonl": "JsonlWriter, its default (gzip)", "parquet": "ParquetWriter, zstd"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--gigabytes", type=float, default=5.0, help="text of the shards (default 5)")
    parser.add_argument("--folder", type=Path, default=None, help="where to work (default: a temporary folder)")
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--datatrove", default="", metavar="PYTHON", help="a Python with datatrove; none: not compared")
    parser.add_argument("--datatrove-share", type=float, default=1.0, help="of the shards that datatrove is given")
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--child", choices=("write", "copy"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="bench_write"))
    try:
        make_shards(folder, arguments.gigabytes)
        report(folder, arguments)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


def report(folder: Path, arguments: argparse.Namespace) -> None:
    copy, write = (measure(folder, arguments, kind) for kind in ("copy", "write"))
    for name, figures in (("bare COPY", copy), ("recipec", write)):
        print(f"{name:10} {figures['seconds']:7.1f} s  {figures['peak'] / 2**30:5.2f} GiB  {figures['bytes']:,} bytes")
    print(f"recipec / bare COPY = {write['seconds'] / copy['seconds']:.2f}")
    if arguments.datatrove:
        for format_ in ("jsonl", "parquet"):
            seconds = datatrove(folder, arguments, format_)
            print(f"{'datatrove':10} {seconds:7.1f} s  {DATATROVE_WRITERS[format_]}")
            print(f"datatrove / recipec = {seconds / write['seconds']:.1f}")


def measure(folder: Path, arguments: argparse.Namespace, kind: str) -> dict[str, Any]:
    """Seconds, peak memory and bytes written of one way, in its own process."""
    command = [sys.executable, __file__, "--child", kind, "--folder", str(folder), "--memory", arguments.memory]
    ended = subprocess.run(
        [*command, *(["--shuffle"] if arguments.shuffle else [])], check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def make_shards(folder: Path, gigabytes: float) -> None:
    """Shards of words drawn by a power law, which compress about as text does, and the result of `Sample` over them."""
    from recipec.database.connection import Settings, connect

    (folder / "data").mkdir(parents=True, exist_ok=True)
    rows = int(gigabytes * 1e9 / BYTES_PER_DOCUMENT / SHARDS)
    for number in range(SHARDS):
        path = folder / f"data/web-{number}.parquet"
        if not path.exists():
            make_shard(path, number, rows)
    with connect(Settings()) as connection:
        write_sampled(connection, folder)


def make_shard(path: Path, number: int, rows: int) -> None:
    """Documents are pieces of one long text; pieces that overlap lie too far apart for a compressor to see."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(number)
    letters = np.array(list("etaoinshrdlcumwfgypb"))
    words = ["".join(random.choice(letters, 2 + i % 9)) for i in range(50_000)]
    chosen = (len(words) * random.random(8_000_000) ** 4).astype(int)
    text = " ".join([words[i] for i in chosen])
    lengths = random.integers(BYTES_PER_DOCUMENT // 4, 2 * BYTES_PER_DOCUMENT - BYTES_PER_DOCUMENT // 4, rows)
    starts = random.integers(0, len(text) - 2 * BYTES_PER_DOCUMENT, rows)
    kept = pa.array(random.random(rows) < KEPT)
    with pq.ParquetWriter(
        path, pa.schema({"id": pa.string(), "text": pa.string(), "kept": pa.bool_()}), compression="zstd"
    ) as writer:
        for first in range(0, rows, 8192):
            pieces = slice(first, min(first + 8192, rows))
            spans = zip(starts[pieces], lengths[pieces], strict=True)
            texts = [text[start : start + length] for start, length in spans]
            ids = [f"s{number}-{i:09}" for i in range(pieces.start, pieces.stop)]
            writer.write_table(pa.table({"id": ids, "text": texts, "kept": kept[pieces]}))


def write_sampled(connection: Any, folder: Path) -> None:
    kept = "kept :: INTEGER"
    connection.execute(
        f"""
        COPY (SELECT 'web' AS source, id AS doc_id, 'data/' || parse_filename(filename) AS shard,
            file_row_number AS row, 'web' AS domain, CAST(strlen(text) // 4 AS BIGINT) AS tokens,
            NULL :: VARCHAR AS bad, NULL :: VARCHAR AS rejected_by, NULL :: VARCHAR AS evidence,
            0.0 AS merged, 1.0 AS rank, {kept} :: DOUBLE AS expected,
            1.0 :: DOUBLE AS scale, NULL :: DOUBLE AS cap, 0.5 :: DOUBLE AS draw,
            {kept} AS copies, CASE WHEN kept THEN 'selected' ELSE 'not_drawn' END AS reason
            FROM read_parquet('{folder}/data/*.parquet', filename = true, file_row_number = true)
            ORDER BY source, doc_id) TO '{folder}/sampled.parquet' (FORMAT parquet)
        """
    )


def child(arguments: argparse.Namespace) -> None:
    """One way in this process; its last line of output is its figures."""
    from recipec.database.connection import Settings, connect

    folder, target = arguments.folder, arguments.folder / f"out-{arguments.child}"
    shutil.rmtree(target, ignore_errors=True)
    with connect(Settings(memory=arguments.memory, temp=folder / "temp")) as connection:
        world = prepared(connection, folder, arguments.shuffle) if arguments.child == "write" else None
        started = time.perf_counter()
        if world is not None:
            importlib.import_module("recipec.dataset").write(connection, *world, destination=target)
        else:
            bare_copy(connection, folder, target)
        os.sync()
        seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in target.rglob("data*/*.parquet"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "bytes": size}))


def bare_copy(connection: Any, folder: Path, target: Path) -> None:
    """The rows alone: a filter in one query, with no order, no ids of copies, no ledger, no checksums."""
    (target / "data").mkdir(parents=True)
    connection.execute(
        f"COPY (SELECT * FROM read_parquet('{folder}/data/*.parquet') WHERE kept) TO '{target}/data' "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192, FILE_SIZE_BYTES '512MB', OVERWRITE_OR_IGNORE)"
    )


def prepared(connection: Any, folder: Path, shuffle: bool) -> tuple[Any, ...]:
    """The arguments of `write`; what a plan knows already is not timed."""
    from recipec.ir import logical, model
    from recipec.ir.execution import ExecutionPlan, Shard
    from recipec.ir.expressions import Column, Constant, Type
    from recipec.ir.selection import Selection
    from recipec.selection.digest import digest

    schema: tuple[tuple[str, Type], ...] = (("id", "string"), ("text", "string"), ("kept", "boolean"))
    origin = model.Origin(file="a.recipe", line=1, column=1, length=1, text="")
    source = model.Source(
        name="web",
        shards=("data/*.parquet",),
        schema_=schema,
        id=Column(name="id", type="string"),
        text="text",
        tokens=model.TokenCount(by="estimate"),
        domain=Constant(value="web", type="string"),
        origin=origin,
    )
    output = model.Output(format="parquet", path="out", shuffle=shuffle)
    recipe = model.Recipe(
        path="a.recipe",
        folder=str(folder),
        canonical="",
        params=(),
        seed=1,
        sources=(source,),
        sample=model.Quadmix(curves=(model.Curve(domain=None, omega=OMEGA),)),
        output=output,
    )
    shards = []
    for path in sorted((folder / "data").glob("*.parquet")):
        rows = connection.execute(f"SELECT count(*) FROM '{path}'").fetchall()[0][0]
        shards.append(
            Shard(
                source="web",
                path=f"data/{path.name}",
                sha256="",
                bytes=path.stat().st_size,
                mtime_ns=0,
                rows=rows,
                schema_=schema,
            )
        )
    sampled = folder / "sampled.parquet"
    selection = Selection(
        stats=(),
        cells=(),
        reasons=(),
        candidates=sum(shard.rows for shard in shards),
        budget=None,
        allocated=None,
        digest=digest(connection, f"'{sampled}'", 1),
    )
    plan = ExecutionPlan(
        recipec="0", recipe=recipe, folder=str(folder), shards=tuple(shards), steps=(), selection=selection, exact=True
    )
    return (
        logical.Write(input=0, output=output, seed=1, sources=(source,)),
        (lambda: f"SELECT * FROM '{sampled}'"),
        selection,
        plan,
    )


def datatrove(folder: Path, arguments: argparse.Namespace, format_: str) -> float:
    """Seconds of datatrove on a share of the shards, scaled to all of them."""
    share = folder / "share"
    shutil.rmtree(share, ignore_errors=True)
    share.mkdir()
    shards = sorted((folder / "data").glob("*.parquet"))
    some = shards[: max(1, round(len(shards) * arguments.datatrove_share))]
    for shard in some:
        (share / shard.name).symlink_to(shard.resolve())
    script = folder / "with_datatrove.py"
    script.write_text(DATATROVE)
    target, logs = folder / "out-datatrove", folder / "logs"
    for path in (target, logs):
        shutil.rmtree(path, ignore_errors=True)
    started = time.perf_counter()
    tasks = str(min(len(some), os.cpu_count() or 1))
    subprocess.run(
        [arguments.datatrove, str(script), str(share), str(target), str(logs), tasks, format_],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return (time.perf_counter() - started) * len(shards) / len(some)


if __name__ == "__main__":
    main()
