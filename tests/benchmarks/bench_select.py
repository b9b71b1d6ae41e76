"""Benchmark (a): from scored candidates to expectations, against numpy with an argsort a domain.

    python tests/benchmarks/bench_select.py [--documents 10_000_000]

Both read the same Parquet file of candidates (3 criteria, 26 domains) and end with S_i of every document: statistics,
z-scores, merge with weights by domain, token-weighted rank within the domain with ties sharing one, QuaDMix's curve. Each
runs in a process of its own, so that its peak memory is its own; the expectations must agree to 1e-9.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np

CRITERIA: tuple[tuple[str, Literal["higher", "lower"], float], ...] = (
    ("edu", "higher", 0.5),
    ("fit", "higher", 0.3),
    ("ppl", "lower", 0.2),
)
OWN = {"edu": 0.1, "fit": 0.3, "ppl": 0.6}  # weights of one domain
LAMBDA, OMEGA, ETA, EPSILON = 500.0, 0.08, 1.0, 0.001


def generate(path: Path, documents: int) -> None:
    normal = (
        "sqrt(-2 * ln((hash(i, 2) % 1000003 + 1) / 1000004.0)) * cos(2 * pi() * (hash(i, 3) % 1000003) / 1000003.0)"
    )
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            COPY (SELECT 'web' AS source, 'doc-' || lpad(i :: VARCHAR, 9, '0') AS doc_id, 'data/0.parquet' AS shard, i AS row,
                'domain_' || lpad((hash(i, 7) % 26) :: VARCHAR, 2, '0') AS domain,
                (100 + hash(i, 1) % 3000) :: BIGINT AS tokens, NULL :: VARCHAR AS bad, NULL :: VARCHAR AS rejected_by,
                NULL :: VARCHAR AS evidence, {normal} AS score_edu, (hash(i, 5) % 10007) / 10007.0 AS score_fit,
                (hash(i, 4) % 100000) / 1000.0 AS score_ppl, NULL :: DOUBLE AS cap, 0 :: BIGINT AS nest
                FROM range({documents}) AS r(i)) TO '{path}' (FORMAT parquet)
            """
        )


def ours(path: Path, out: Path) -> float:
    from recipec.database.connection import connect
    from recipec.database.sql import literal
    from recipec.ir import logical, model
    from recipec.selection import ranking, rules

    origin = model.Origin(file="", line=1, column=1, length=0, text="")
    general = model.Weights(domain=None, weights=tuple((name, weight) for name, _, weight in CRITERIA), origin=origin)
    own = model.Weights(domain="domain_03", weights=tuple(OWN.items()), origin=origin)
    criteria = tuple((name, direction) for name, direction, _ in CRITERIA)
    rank = logical.Rank(input=0, seed=1, criteria=criteria, quality=model.Quality(weights=(general, own)))
    curve = model.Curve(domain=None, lambda_=LAMBDA, omega=OMEGA, eta=ETA, epsilon=EPSILON)
    sample = logical.Sample(
        input=0,
        sample=model.Quadmix(curves=(curve,)),
        mixture=model.Natural(),
        quotas=(),
        repeats=(),
        tokens=None,
        shortfall="error",
        allow_vanishing=True,
    )
    with connect() as connection:
        started = time.monotonic()
        table = f"read_parquet({literal(str(path))}, file_row_number = true)"
        stats = ranking.statistics(connection, table, [name for name, _ in criteria])
        ranking.rank_pool(connection, rank, table, stats)
        connection.execute(
            f"CREATE TEMP TABLE expectations AS SELECT row_number, {rules.expected(sample)} AS s FROM ranked_pool"
        )
        seconds = time.monotonic() - started
        usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        np.save(out, connection.execute("SELECT s FROM expectations ORDER BY row_number").fetchnumpy()["s"])
    return finished(seconds, usage)


def straightforward(path: Path, out: Path, coded: bool) -> float:
    started = time.monotonic()
    with duckdb.connect() as connection:
        names = ", ".join(f"score_{name}" for name, _, _ in CRITERIA)
        by = "right(domain, 2) :: UTINYINT AS domain" if coded else "domain"
        columns = connection.execute(f"SELECT {by}, tokens, {names} FROM read_parquet(?)", [str(path)]).fetchnumpy()
    domain, tokens = np.asarray(columns["domain"]), np.asarray(columns["tokens"])
    domains: list[int | str] = [number if coded else f"domain_{number:02}" for number in range(26)]
    merged = np.zeros(len(tokens))
    for name, direction, weight in CRITERIA:
        value = np.asarray(columns[f"score_{name}"])
        z = (value - value.mean()) / value.std()
        merged += (-z if direction == "higher" else z) * np.where(domain == domains[3], OWN[name], weight)
    s = np.empty(len(tokens))
    for each in domains:
        (mine,) = np.nonzero(np.equal(domain, each))
        order = np.argsort(merged[mine])
        ordered = merged[mine][order]
        above = np.cumsum(tokens[mine][order])
        last = np.searchsorted(ordered, ordered, side="right") - 1  # ties share the largest
        rank = np.empty(len(mine))
        rank[order] = above[last] / above[-1]
        within = (2 / (1 + np.exp(-LAMBDA * (OMEGA - rank)))) ** ETA + EPSILON
        s[mine] = np.where(rank <= OMEGA, within, EPSILON)
    seconds = time.monotonic() - started
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.save(out, s)
    return finished(seconds, usage)


def finished(seconds: float, usage: int) -> float:
    print(json.dumps({"seconds": seconds, "peak": usage * 1024}))
    return seconds


def measured(which: str, path: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--run", which, "--path", str(path), "--out", str(out)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--run", choices=("ours", "numpy", "coded"))
    parser.add_argument("--path", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.run:
        if arguments.run == "ours":
            ours(arguments.path, arguments.out)
        else:
            straightforward(arguments.path, arguments.out, arguments.run == "coded")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "candidates.parquet"
        generate(path, arguments.documents)
        results = {which: measured(which, path, folder / f"{which}.npy") for which in ("numpy", "coded", "ours")}
        off = np.max(np.abs(np.load(folder / "ours.npy") - np.load(folder / "numpy.npy")))
    for which, result in results.items():
        print(f"{which:6} {result['seconds']:6.2f} s  peak {result['peak'] / 1e6:7.0f} MB")
    print(f"speed  {results['numpy']['seconds'] / results['ours']['seconds']:.2f} x numpy (target 4)")
    print(f"memory {results['ours']['peak'] / results['numpy']['peak']:.2f} of numpy's (target 0.5)")
    print(f"largest difference of an expectation {off:.1e} (target 1e-9)")


if __name__ == "__main__":
    main()
