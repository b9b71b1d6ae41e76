"""How often the 95 % intervals of a fit hold the parameter that made the runs: 200 simulations of 60 runs.

    python tests/benchmarks/coverage_laws.py [--simulations 200] [--runs 60] [--samples 200] [--noise 0.0015]

Each simulation fits from random starts and resamples, as `recipec fit` does. Stated: between 90 and 99 %.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from recipec.laws import fitting, report
from recipec.laws.forms import infolaw
from tests.benchmarks.simulated_runs import TRUE, simulated


def one(arguments: tuple[int, int, int, float]) -> tuple[np.ndarray, np.ndarray]:
    """(p,) whether each interval holds the truth, and the estimate."""
    seed, count, samples, noise = arguments
    runs = simulated(count, noise=noise, seed=seed)
    best = fitting.fit(infolaw.SPEC, runs, starts=6, seed=seed)
    thetas = fitting.bootstrap(infolaw.SPEC, runs, best, count=samples, seed=seed)
    parameters = report.intervals(infolaw.SPEC, best.theta, thetas, {})
    inside = [
        parameters[name].low <= value <= parameters[name].high for name, value in zip(parameters, TRUE, strict=True)
    ]
    return np.array(inside), best.theta


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--noise", type=float, default=0.0015)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    jobs = [(seed, arguments.runs, arguments.samples, arguments.noise) for seed in range(arguments.simulations)]
    started = time.perf_counter()
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = list(pool.map(one, jobs, chunksize=4))
    inside = np.array([row for row, _ in results])
    found = np.array([theta for _, theta in results])
    print(f"{arguments.simulations} simulations of {arguments.runs} runs, noise {arguments.noise:.2%}")
    for index, name in enumerate(infolaw.SPEC.names):
        print(
            f"{name:<11} coverage {inside[:, index].mean():6.1%}   truth {TRUE[index]:.4f}   "
            f"mean {found[:, index].mean():.4f}   deviation {found[:, index].std():.4f}"
        )
    print(f"all parameters together {inside.mean():.1%}; {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
