"""Benchmark: a regressor and 100 000 candidates of 200 parameters; and RegMix's public runs.

    python tests/benchmarks/bench_search.py [--runs 3000] [--parameters 200] [--candidates 100000]

The competitor of the candidates is predicting them one by one, as a loop over draws would. RegMix: rank correlation on the 256
mixtures that the regressor has not seen, each loss, LightGBM beside a linear regressor (../shared/data/regmix).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from recipec.database import tables
from recipec.proxies import regression

REGMIX = Path("/work/shared/data/regmix")

ALONE = 300
"""Candidates that the competitor predicts."""


def speed(runs: int, parameters: int, candidates: int) -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(runs, parameters))
    y = ((x[:, :10] - 0.5) ** 2).sum(axis=1) + x[:, 10] * x[:, 11] + 0.01 * generator.standard_normal(runs)
    started = time.perf_counter()
    model = regression.fit("lightgbm", x, y)
    fitted = time.perf_counter() - started
    drawn = generator.uniform(size=(candidates, parameters))
    started = time.perf_counter()
    found = model.predict(drawn)
    predicted = time.perf_counter() - started
    started = time.perf_counter()
    for row in drawn[:ALONE]:
        model.predict(row[None])
    alone = (time.perf_counter() - started) / ALONE * candidates
    print(
        f"fit {runs} x {parameters}: {fitted:.1f} s; {candidates:,} candidates: {predicted:.1f} s, best {found.min():.3f}"
    )
    print(f"together {fitted + predicted:.1f} s; one by one {alone:.0f} s: {alone / predicted:.0f} x")


def regmix() -> None:
    x, y = tables.matrix(REGMIX / "train_mixture_1m.csv"), tables.matrix(REGMIX / "train_pile_loss_1m.csv")
    other = tables.matrix(REGMIX / "test_mixture_1m.csv").ordered(x.names)
    truth = tables.matrix(REGMIX / "test_pile_loss_1m.csv").ordered(y.names)
    total = []
    for number, name in enumerate(y.names):
        row = [
            100
            * regression.spearman(regression.fit(kind, x.values, y.values[:, number]).predict(other), truth[:, number])
            for kind in ("lightgbm", "linear")
        ]
        total.append(row)
        print(f"{name.removeprefix('metric/the_pile_').removesuffix('_val_loss'):20} {row[0]:6.2f} {row[1]:6.2f}")
    print(f"{'mean':20} {np.mean(total, axis=0)[0]:6.2f} {np.mean(total, axis=0)[1]:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--parameters", type=int, default=200)
    parser.add_argument("--candidates", type=int, default=100_000)
    arguments = parser.parse_args()
    speed(arguments.runs, arguments.parameters, arguments.candidates)
    regmix()


if __name__ == "__main__":
    main()
