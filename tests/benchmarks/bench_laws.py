"""Benchmarks of laws: a fit with its bootstrap, the best mixture, and held-out errors on public runs.

    python tests/benchmarks/bench_laws.py [fit] [optimum] [held-out]

fit: 5 parameters of infolaw, 200 runs, 200 bootstrap refits, beside scipy's `curve_fit` on the same resampled runs.
optimum: 26 domains × 6 bands with quotas, beside the paper's search over 100 000 random recipes under the same quotas.
held-out: the four laws on the 182 public runs (../shared/data), by size, by repetition, by recipe.
"""

from __future__ import annotations

import os

from recipec.arrays import Array

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from scipy.optimize import curve_fit

from recipec.laws import fitting, lawfile, optimum, report, tables
from recipec.laws.forms import infolaw
from recipec.laws.runs import BANDS, Runs
from tests.benchmarks.simulated_runs import TRUE, simulated

DATABLATIONS = Path("/work/shared/data/datablations/datablations_c4_182_fit_set.csv")


def bench_fit() -> None:
    runs = simulated(200, noise=0.0015, seed=0)
    started = time.perf_counter()
    best = fitting.fit(infolaw.SPEC, runs)
    middle = time.perf_counter()
    ours = fitting.bootstrap(infolaw.SPEC, runs, best, count=200)
    ended = time.perf_counter()
    print(f"fit          {middle - started:6.2f} s   48 starts")
    print(f"bootstrap    {ended - middle:6.2f} s   200 refits; together {ended - started:.1f} s (target 30)")
    theirs, seconds, failed = competitor(runs, best.theta)
    print(f"curve_fit    {seconds:6.2f} s   200 refits, {failed} failed")
    print(f"ratio        {(ended - middle) / seconds:6.2f}")
    for index, name in enumerate(infolaw.SPEC.names):
        print(f"  {name:<11} truth {TRUE[index]:.4f}   deviation ours {ours[:, index].std():.4f}, "
              f"curve_fit {np.std(theirs[:, index]):.4f}")  # fmt: skip


def competitor(runs: Runs, start: Array) -> tuple[Array, float, int]:
    """(refits, 5) by curve_fit on log loss, squared, with the bounds of the law; its seconds; refits that failed."""
    law = infolaw.SPEC
    bounds = ([one.low for one in law.parameters], [one.high for one in law.parameters])
    rng, found, failed = np.random.default_rng(0), [], 0
    began = time.perf_counter()
    for _ in range(200):
        part = runs.take(rng.integers(0, len(runs), len(runs)))

        def model(_: Array, *theta: float, part: Runs = part) -> Array:
            return np.asarray(np.log(law.loss(np.array(theta), part)))

        try:
            found.append(curve_fit(model, part.params, np.log(part.loss), p0=start, bounds=bounds)[0])
        except RuntimeError:
            failed += 1
    return np.array(found), time.perf_counter() - began, failed


def problem(seed: int) -> optimum.Allowance:
    """26 domains of very different sizes, quotas on each, at most 4 copies."""
    rng = np.random.default_rng(seed)
    unique = rng.lognormal(23, 1.3, (26, 1)) * np.array([BANDS])
    total = float(unique.sum()) * 0.8
    share = unique.sum(axis=1) / unique.sum()
    quality = np.exp(-0.922 * np.arange(6))[None] * np.ones((26, 1))
    return optimum.Allowance(
        quality, unique, unique * 4, total * share * 0.3, total * np.minimum(share * 2.5, 1.0), total, 2.92
    )


def clipped(weights: Array, low: Array, high: Array, total: Array) -> Array:
    """Rows clip(c·w, low, high) with the scalar c of each row that meets its total, by bisection."""
    least, most = np.full(len(weights), -60.0), np.full(len(weights), 60.0)
    for _ in range(50):
        middle = (least + most) / 2
        enough = np.clip(weights * np.exp(middle)[:, None], low, high).sum(axis=1) >= total
        least, most = np.where(enough, least, middle), np.where(enough, middle, most)
    return np.asarray(np.clip(weights * np.exp(least)[:, None], low, high))


def random_recipes(given: optimum.Allowance, rng: np.random.Generator, count: int) -> Array:
    """(count, 26, 6) recipes within all bounds: random weights, brought to the bounds by one scalar a level."""
    reach = np.minimum(given.most_domain, given.most.sum(axis=1))
    share = given.unique.sum(axis=1) * np.exp(rng.normal(0, 1, (count, 26)))
    wanted = clipped(share, given.least_domain, reach, np.full(count, given.total))
    result = np.empty((count, 26, 6))
    for domain in range(26):
        # From flat recipes to ones that read the best bands only.
        steep = np.exp(-rng.uniform(0, 4, (count, 1)) * np.arange(6) + rng.normal(0, 0.5, (count, 6)))
        weights = given.unique[domain] * steep
        result[:, domain] = clipped(weights, np.zeros(6), given.most[domain], wanted[:, domain])
    return result


def bench_optimum() -> None:
    for seed in range(3):
        given = problem(seed)
        times = []
        for _ in range(20):
            started = time.perf_counter()
            best = optimum.best(given)
            times.append(time.perf_counter() - started)
        ours = optimum.gain(given, best)
        rng, seconds, gains = np.random.default_rng(seed), 0.0, []
        for _ in range(10):
            started = time.perf_counter()
            recipes = random_recipes(given, rng, 10_000)
            log_total = np.log(given.total)
            fresh = np.minimum(recipes, given.unique)
            repeats = np.divide(recipes, fresh, out=np.zeros_like(recipes), where=fresh > 0)
            learnt = given.quality * fresh * log_total * -np.expm1(-given.absorption * repeats / log_total)
            gains.append(float(learnt.sum(axis=(1, 2)).max()))
            seconds += time.perf_counter() - started
        median = float(np.median(times))
        print(
            f"optimum {seed}   {median * 1e3:6.1f} ms (target 50); 100 000 random recipes {seconds:.1f} s; "
            f"ratio {median / seconds:.6f}; information {ours:.6e}, the best random {max(gains):.6e} "
            f"({1 - max(gains) / ours:.2%} less)"
        )
        assert max(gains) <= ours * (1 + 1e-9)


def bench_held_out() -> None:
    table = tables.read(DATABLATIONS, {}, need_loss=True)
    print("mean relative error of loss, 182 public runs; fitted without what is tested")
    print(f"{'law':<12}{'in-sample':>11}{'size':>11}{'repetition':>12}{'recipe':>11}{'largest':>11}{'seconds':>9}")
    for name in lawfile.law_names():
        started = time.perf_counter()
        options = report.Options(samples=2, starts=16)
        fitted = report.fit_law(lawfile.find_law(name), table, options, source="benchmark")
        errors = {one.split: one for one in fitted.file.errors}
        means = [errors[split].mean for split in ("in-sample", "size", "repetition", "recipe")]
        largest = max(one.largest for split, one in errors.items() if split != "in-sample")
        print(
            f"{name:<12}{means[0]:>11.2%}{means[1]:>11.2%}{means[2]:>12.2%}{means[3]:>11.2%}{largest:>11.1%}"
            f"{time.perf_counter() - started:>9.0f}"
        )


BENCHMARKS = {"fit": bench_fit, "optimum": bench_optimum, "held-out": bench_held_out}


if __name__ == "__main__":
    for word in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[word]()
