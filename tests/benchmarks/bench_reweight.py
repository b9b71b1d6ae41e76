"""Benchmark: TiKMiX's problem by the interior point method, against the paper's SLSQP from uniform weights.

python tests/benchmarks/bench_reweight.py [--tasks 10] [--domains 26] [--problems 100]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from recipec.tikmix.problem import InfluenceProblem
from recipec.tikmix.solver import solve
from tests.tikmix.test_reweight import slsqp


def problem(seed: int, n: int, m: int) -> InfluenceProblem:
    generator = np.random.default_rng(seed)
    tasks, domains = tuple(f"t{i}" for i in range(n)), tuple(f"d{j}" for j in range(m))
    influence = generator.normal(size=(n, m)) + 0.5 * (seed % 2)
    return InfluenceProblem(tasks, domains, influence, generator.dirichlet(np.ones(m)), np.zeros(m), np.ones(m))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--domains", type=int, default=26)
    parser.add_argument("--problems", type=int, default=100)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {"ours": [], "slsqp": []}
    worse, infeasible = [], 0
    solve(problem(0, arguments.tasks, arguments.domains))
    for seed in range(arguments.problems):
        one = problem(seed, arguments.tasks, arguments.domains)
        started = time.perf_counter()
        found = solve(one).weights
        times["ours"].append(time.perf_counter() - started)
        started = time.perf_counter()
        other = slsqp(one)
        times["slsqp"].append(time.perf_counter() - started)
        # An answer that breaks the constraints is no competitor.
        if (one.scaled @ (other - one.prior)).min() < -1e-7 or abs(other.sum() - 1) > 1e-7:
            infeasible += 1
        else:
            worse.append(one.objective(found) - one.objective(other))
    ours, slsqp_times = (1e3 * np.array(times[name]) for name in ("ours", "slsqp"))
    print(f"ours   {np.median(ours):6.1f} ms, at most {ours.max():.1f} ms")
    print(
        f"SLSQP  {np.median(slsqp_times):6.1f} ms, at most {slsqp_times.max():.1f} ms; broke constraints {infeasible} times"
    )
    print(f"ratio {np.median(slsqp_times) / np.median(ours):.2f}; objective above SLSQP's by at most {max(worse):.1e}")
    print(f"SLSQP's above ours by at most {-min(worse):.1e}")


if __name__ == "__main__":
    main()
