"""Benchmark: whole jobs of planning and applying a pool of metadata, against a polars script and a bare DuckDB `COPY`.

    pip install polars
    python tests/benchmarks/bench_plan.py [--documents 10_000_000] [--folder FOLDER]
    python tests/benchmarks/bench_plan.py --growth [100_000_000] [--folder FOLDER]

The pool: 3 criteria, 26 domains of unequal sizes, ids that do not compress, 20 Parquet shards with the shortest of texts. The
recipe draws a tenth of its tokens. Measured, each in a process of its own from start to end:
(a) the first `recipec plan`, beside `polars_plan.py`, which does the same over the same files and stores nothing;
(b) `recipec plan` again: unchanged, and after a change of ω, of a weight, of a quota, of the threshold of a `where`;
(c) the bytes of `.recipec` against those of the metadata columns in the shards;
(d) `recipec apply --yes`, beside DuckDB copying the tables it wrote (data and ledger) with the same compression and row groups.
`--growth` repeats (a) to (c) for 1 and 10 million documents, and for 100 million where asked.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "PYTHONPATH": str(ROOT),
}

SHARDS, DOMAINS = 20, 26

COLUMNS = ("id", "domain", "tokens", "edu", "fit", "ppl")
"""The columns that a plan reads."""

MOST_TOKENS = 3_100

TOKENS_PER_DOCUMENT = 160
"""Of the budget: a tenth of the pool's mean."""

SIZES = (1_000_000, 10_000_000, 100_000_000)

BILLION = 1_000_000_000

RECIPE = """source web {{
  shards "data/*.parquet"
  id id
  text text
  tokens tokens
  domain domain
}}

where tokens >= {least}

criterion edu = column(edu) higher is better
criterion fit = column(fit) higher is better
criterion ppl = column(ppl) lower is better

quality {{
  normalize zscore
  weights {{ edu {edu}, fit 0.3, ppl 0.2 }}
  weights for domain_03 {{ edu 0.1, fit 0.3, ppl 0.6 }}
}}

sample quadmix {{
  curve {{ lambda 500, omega {omega}, eta 1, epsilon 0.001 }}
}}

mixture natural
quota domain_00 at most {quota}%
repeat at most 4 times
budget {budget} tokens
seed 1
output parquet "out"
"""

BASE: dict[str, float] = {"least": 150, "edu": 0.5, "omega": 0.08, "quota": 50}
"""What `polars_plan.py` does as well; the quota binds nothing."""

CHANGES: dict[str, dict[str, float]] = {
    "unchanged": {},
    "another omega": {"omega": 0.1},
    "another weight": {"edu": 0.4},
    "another quota": {"quota": 15},
    "another threshold": {"least": 200},
}


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds from start to end, seconds of all cores together, bytes of the peak, and what was printed."""

    wall: float
    cpu: float
    peak: int
    output: str = ""

    def __str__(self) -> str:
        return f"{self.wall:8.2f} s  {self.cpu:8.2f} s CPU  {self.peak / 1e6:7,.0f} MB"


def timed(*command: str | Path) -> Took:
    """One process from start to end.

    A process starts with the peak of the one that starts it, so that this one must stay small: whatever reads a table,
    reads it in a child. Of processes that a process starts itself, the largest counts."""
    words = [sys.executable, *map(str, command)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(words, stdout=output, stderr=errors, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (output, errors):
            file.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {process.returncode}\n{output.read()}{errors.read()}")
        return Took(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output.read())


def child(name: str, folder: Path, documents: int = 0) -> Took:
    return timed(__file__, "--child", name, "--folder", folder, "--documents", str(documents))


def recipec(*words: str | Path) -> Took:
    return timed("-m", "recipec", *words)


# What children do; each imports duckdb, which this process must not.


def generate(folder: Path, documents: int) -> None:
    import duckdb

    (folder / "data").mkdir(parents=True)

    def uniform(key: int) -> str:
        return f"((hash(i, {key}) :: DOUBLE + 1) / 18446744073709551618.0)"

    normal = f"sqrt(-2 * ln({uniform(2)})) * cos(2 * pi() * {uniform(3)})"
    with duckdb.connect() as connection:
        for shard in range(SHARDS):
            rows = f"range({documents * shard // SHARDS}, {documents * (shard + 1) // SHARDS})"
            connection.execute(
                f"""
                COPY (SELECT md5(i :: VARCHAR) AS id, 'text of ' || i AS text,
                    'domain_' || lpad(CAST(floor({DOMAINS} * {uniform(7)} ** 2) AS INTEGER) :: VARCHAR, 2, '0') AS domain,
                    (100 + hash(i, 1) % {MOST_TOKENS - 99}) :: BIGINT AS tokens, {normal} AS edu,
                    (hash(i, 5) % 10007) / 10007.0 AS fit, exp(3 - ln({uniform(4)})) AS ppl FROM {rows} AS r(i))
                TO '{folder}/unfinished.parquet' (FORMAT parquet, COMPRESSION zstd)
                """
            )
            (folder / "unfinished.parquet").rename(folder / f"data/{shard:03}.parquet")


def metadata(folder: Path) -> None:
    """Prints the bytes of the columns that a plan reads, from the footers, after reading the shards once for all."""
    import duckdb

    for path in (folder / "data").iterdir():
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass
    query = "SELECT sum(total_compressed_size) :: BIGINT FROM parquet_metadata(?) WHERE path_in_schema IN ?"
    print(duckdb.execute(query, [f"{folder}/data/*.parquet", list(COLUMNS)]).fetchall()[0][0])


def copy(folder: Path) -> None:
    """Copies the written tables; on disk when it ends, as what `apply` publishes is."""
    import duckdb

    with duckdb.connect() as connection:
        for table in ("data", "ledger"):
            source, target = f"{folder}/out/{table}/*.parquet", folder / f"copy/{table}.parquet"
            target.parent.mkdir(exist_ok=True)
            query = "SELECT max(row_group_num_rows) FROM parquet_metadata(?)"
            rows = connection.execute(query, [source]).fetchall()[0][0]
            connection.execute(
                f"COPY (FROM read_parquet('{source}')) TO '{target}' "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows})"
            )
            with target.open("rb") as file:
                os.fsync(file.fileno())


# The measurements.


@dataclass(frozen=True, slots=True)
class Planned:
    """What (a), (b) and (c) measured; without polars where the pool is too large for it."""

    documents: int
    metadata: int
    state: int
    grown: int
    first: Took
    polars: Took | None
    changed: dict[str, Took]


def write_recipe(folder: Path, documents: int, **changed: float) -> Path:
    path = folder / "a.recipe"
    path.write_text(RECIPE.format(**{**BASE, **changed}, budget=documents * TOKENS_PER_DOCUMENT))
    return path


def clear(folder: Path) -> None:
    # A killed `apply` leaves a folder that the next one would go on with.
    for path in (folder / ".recipec", folder / "out", folder / "copy", *folder.glob(".out.*")):
        shutil.rmtree(path, ignore_errors=True)
    (folder / "polars.parquet").unlink(missing_ok=True)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def plans(folder: Path, documents: int, with_polars: bool) -> Planned:
    """(a), (b) and (c); what is left in `folder` is the base recipe and its state."""
    if not (folder / f"data/{SHARDS - 1:03}.parquet").exists():
        shutil.rmtree(folder, ignore_errors=True)
        child("generate", folder, documents)
    clear(folder)
    columns = int(child("metadata", folder).output)
    path = write_recipe(folder, documents)
    script = Path(__file__).with_name("polars_plan.py")
    budget = documents * TOKENS_PER_DOCUMENT
    polars = timed(script, folder, folder / "polars.parquet", str(budget)) if with_polars else None
    first = recipec("plan", path, "--json")
    state = size(folder / ".recipec")
    changed = {}
    for name, change in CHANGES.items():
        changed[name] = replace(recipec("plan", write_recipe(folder, documents, **change), "--json"), output="")
    write_recipe(folder, documents)
    return Planned(documents, columns, state, size(folder / ".recipec"), first, polars, changed)


def drawn(plan: Any) -> dict[str, int]:
    """The drawn tokens of each domain."""
    if not plan["exact"]:
        raise SystemExit("the plan is an estimate")
    found: dict[str, int] = {}
    for cell in plan["selection"]["cells"]:
        found[cell["domain"]] = found.get(cell["domain"], 0) + cell["drawn_tokens"]
    return found


def compare(planned: Planned) -> str:
    """How far the drawn tokens of a domain lie apart: each misses its target by less than a document."""
    if planned.polars is None:
        return "not compared with polars"
    ours, theirs = drawn(json.loads(planned.first.output)), json.loads(planned.polars.output)
    apart = max(abs(ours.get(name, 0) - theirs.get(name, 0)) for name in {*ours, *theirs})
    verdict = "within a document" if apart < MOST_TOKENS else "MORE THAN A DOCUMENT"
    total = sum(ours.values())
    return f"drawn {total:,} tokens, polars {sum(theirs.values()):,}; a domain at most {apart:,} apart, {verdict}"


def report(planned: Planned) -> None:
    first, polars = planned.first, planned.polars
    print(f"(a) first plan of {planned.documents:,} documents")
    if polars is not None:
        print(f"    {'polars':18} {polars}")
    print(f"    {'recipec':18} {first}")
    if polars is not None:
        print(
            f"    recipec / polars: time {first.wall / polars.wall:.2f} (target 0.7), CPU {first.cpu / polars.cpu:.2f}, "
            f"memory {first.peak / polars.peak:.2f} (target 0.5)"
        )
    print(f"    {compare(planned)}")
    large = planned.documents > 10_000_000
    seconds, memory = (15, 4) if large else (1.5, 2)
    print(f"(b) plan again (targets {seconds} s, {memory} GB{'' if large else '; another threshold 1 s'})")
    for name, took in planned.changed.items():
        print(f"    {name:18} {took}")
    print(
        f"(c) state {planned.state:,} bytes, metadata columns {planned.metadata:,}: "
        f"{planned.state / planned.metadata:.2f} x (target 1.2); after (b) {planned.grown / planned.metadata:.2f} x"
    )


def applied(folder: Path) -> None:
    """(d), after `plans`."""
    apply = recipec("apply", folder / "a.recipe", "--yes")
    bare = child("copy", folder)
    written = size(folder / "out/data") + size(folder / "out/ledger")
    print(f"(d) apply, {written:,} bytes of data and ledger written, {size(folder / 'copy'):,} by the copy")
    print(f"    {'bare COPY':18} {bare}")
    print(f"    {'recipec apply':18} {apply}")
    print(f"    recipec / bare COPY: time {apply.wall / bare.wall:.2f} (target 1.3), CPU {apply.cpu / bare.cpu:.2f}")


def growth(every: list[Planned]) -> None:
    """(f): each size, and a billion documents on the straight line through the last two."""
    print("(f)  documents    plan s  µs/document    MB peak  again s  state B/document  metadata B/document")
    rows: list[tuple[float, ...]] = [
        (one.documents, one.first.wall, one.first.peak / 1e6, slowest(one), one.state, one.metadata) for one in every
    ]
    if len(rows) > 1:
        before, last = rows[-2:]
        steps = (BILLION - last[0]) / (last[0] - before[0])
        rows.append(tuple(b + (b - a) * steps for a, b in zip(before, last, strict=True)))
    for count, seconds, peak, again, state, columns in rows:
        print(
            f"{count:14,.0f} {seconds:9,.1f} {seconds / count * 1e6:12.2f} {peak:10,.0f} {again:8,.1f} "
            f"{state / count:17.1f} {columns / count:20.1f}{'  extrapolated' if count == BILLION else ''}"
        )


def slowest(planned: Planned) -> float:
    """Seconds of the slowest plan after a change."""
    return max(took.wall for took in planned.changed.values())


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    most = arguments.growth
    sizes = [arguments.documents] if most is None else [size for size in SIZES if size <= most] or [most]
    every = []
    for documents in sizes:
        mine = folder / f"{documents}"
        every.append(plans(mine, documents, with_polars=documents <= arguments.polars_most))
        report(every[-1])
        if most is None:
            applied(mine)
        clear(mine)
    if most is not None:
        growth(every)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument(
        "--growth", type=int, nargs="?", const=10_000_000, metavar="MOST", help="(f), up to MOST documents"
    )
    parser.add_argument(
        "--polars-most", type=int, default=50_000_000, help="no polars above it, for it needs 190 B each"
    )
    parser.add_argument("--folder", type=Path, help="keep the shards here, and use them when they are there")
    parser.add_argument("--child", choices=("generate", "metadata", "copy"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child == "generate":
        generate(arguments.folder, arguments.documents)
    elif arguments.child:
        {"metadata": metadata, "copy": copy}[arguments.child](arguments.folder)
    elif arguments.folder is not None:
        measure(arguments, arguments.folder)
    else:
        with tempfile.TemporaryDirectory() as name:
            measure(arguments, Path(name))


if __name__ == "__main__":
    main()
