"""The competitor of `bench_plan.py`: the same selection as a straightforward polars script.

    python tests/benchmarks/polars_plan.py FOLDER OUT BUDGET

Reads FOLDER/data/*.parquet, writes ids and copies of what is drawn to OUT and prints the drawn tokens of each domain as
JSON. It does what a plan does (`docs/selection.md`): z-scores, weights by domain, token-weighted ranks within the domain,
QuaDMix's curve, natural shares of the budget, one scale per domain by bisection, hashed draws. polars uses all cores, and
numpy's part runs in a thread per core. It checks nothing: no duplicate ids, no unreadable rows, no ledger, no store.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

LEAST, SEED = 150, 1

CRITERIA = {"edu": (-1, 0.5, 0.1), "fit": (-1, 0.3, 0.3), "ppl": (1, 0.2, 0.6)}
"""Sign (smaller is better), weight, and weight in the domain OWN."""

OWN = "domain_03"

LAMBDA, OMEGA, ETA, EPSILON, MOST = 500.0, 0.08, 1.0, 0.001, 4.0

HALVINGS = 50


def pool(folder: str) -> pl.DataFrame:
    """Id, draw, domain, tokens and merged quality of every document of the pool."""
    rows = pl.scan_parquet(f"{folder}/data/*.parquet").filter(pl.col("tokens") >= LEAST)
    merged: Any = 0
    for name, (sign, weight, own) in CRITERIA.items():
        q = pl.col(name)
        z = (q - q.mean()) / q.std(ddof=0)
        merged = merged + z * sign * pl.when(pl.col("domain") == OWN).then(own).otherwise(weight)
    draw = (pl.col("id").hash(SEED) // 2**12 + 0.5) / 2**52
    return rows.select("id", "domain", "tokens", merged=merged, draw=draw).collect()


def expected(domain: pl.DataFrame) -> pl.DataFrame:
    """A domain's documents by quality with their S; ties share the largest rank."""
    ordered = domain.sort("merged")
    above = pl.col("tokens").cum_sum()
    last = pl.when(pl.col("merged") != pl.col("merged").shift(-1)).then(above)
    rank = last.fill_null(strategy="backward").fill_null(above.last()) / pl.col("tokens").sum()
    within = (2 / (1 + (-LAMBDA * (OMEGA - rank)).exp())) ** ETA + EPSILON
    return ordered.select("id", "tokens", "draw", s=pl.when(rank <= OMEGA).then(within).otherwise(EPSILON))


def copies(tokens: Any, draw: Any, s: Any, target: float) -> Any:
    """The copies of each document at the largest scale whose drawn tokens are at most `target`."""
    low, high = 0.0, MOST / EPSILON
    found = np.zeros(len(s))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        drawn = np.maximum(np.ceil(np.minimum(middle * s, MOST) - draw), 0)
        if (tokens * drawn).sum() <= target:  # `@` would let threads of BLAS fight those of ours
            low, found = middle, drawn
        else:
            high = middle
    return found


def main(folder: str, out: str, budget: int) -> None:
    whole = pool(folder).partition_by("domain", as_dict=True, include_key=False)
    domains = {key[0]: expected(whole.pop(key)) for key in sorted(whole)}
    natural = {name: float((one["tokens"] * one["s"].clip(upper_bound=MOST)).sum()) for name, one in domains.items()}
    share = budget / sum(natural.values())

    def drawn(name: str) -> pl.DataFrame:
        one = domains[name]
        arrays = (one["tokens"].to_numpy().astype(np.float64), one["draw"].to_numpy(), one["s"].to_numpy())
        found = copies(*arrays, target=natural[name] * share)
        return one.select("id", "tokens", copies=pl.lit(pl.Series(found.astype(np.int32)))).filter(pl.col("copies") > 0)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        selected = dict(zip(domains, threads.map(drawn, domains), strict=True))
    pl.concat(selected.values()).select("id", "copies").write_parquet(out, compression="zstd")
    print(json.dumps({name: int((one["tokens"] * one["copies"]).sum()) for name, one in selected.items()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
