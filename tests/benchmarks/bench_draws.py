"""Benchmark: what a draw of sampling parameters selects, against the formulas with a sort of each domain for every draw.

    python tests/benchmarks/bench_draws.py [--documents 10_000_000] [--draws 10]

The pool: 3 criteria, 26 domains, token counts of 100 to 3,100. The competitor is QuaDMix in plain numpy, every draw anew: merge,
argsort a domain, cumulated tokens, the curve; then, for what is selected, each domain's scale by 40 halvings, copies over all of
its documents at each. Both are shown: the formulas alone, and up to the tokens of each domain, which is what ours gives. The
expectations must agree to 1e-12, the tokens to a document.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from recipec.arrays import Array

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from recipec.ir import logical, model
from recipec.search import draws
from recipec.search.space import Space

DOMAINS = 26


def pool(count: int) -> draws.Documents:
    generator = np.random.default_rng(0)
    domain = np.sort(generator.integers(0, DOMAINS, count))
    u = generator.uniform(size=count)
    order = np.lexsort((u, domain))
    names = np.array([f"domain_{n:02}" for n in range(DOMAINS)])[domain]
    tokens = generator.integers(100, 3100, count)
    normal = [generator.standard_normal(count) for _ in range(3)]
    zeros, most = np.zeros(count, np.int64), np.full(count, 4.0)
    return draws.arranged(names, zeros, tokens, np.arange(count), most, u[order], *normal)


def plain(documents: draws.Documents, weights: Array, curves: Array) -> Array:
    """S of every document (n,)."""
    s = np.empty(len(documents.tokens))
    for m, (start, stop) in enumerate(documents.ranges):
        lambda_, omega, eta, epsilon = curves[m]
        q = documents.normal[0, start:stop] * weights[m, 0]
        for number in range(1, len(documents.normal)):
            q = q + documents.normal[number, start:stop] * weights[m, number]
        tokens = documents.tokens[start:stop]
        order = np.argsort(q)
        ordered = q[order]
        above = tokens[order].cumsum()
        last = np.searchsorted(ordered, ordered, side="right") - 1
        rank = np.empty(len(q))
        rank[order] = above[last] / above[-1]
        within = (2 / (1 + np.exp(-lambda_ * (omega - rank)))) ** eta + epsilon
        s[start:stop] = np.where(rank <= omega, within, epsilon)
    return s


def selected(documents: draws.Documents, s: Array, targets: list[float]) -> list[float]:
    """Tokens of each domain at the largest scale that keeps within its target."""
    found = []
    for (start, stop), target in zip(documents.ranges, targets, strict=True):
        tokens, u, mine = documents.tokens[start:stop], documents.u[start:stop], s[start:stop]
        low, high, best = 0.0, 4.0 / float(mine.min()), 0.0
        for _ in range(40):
            middle = (low + high) / 2
            copies = np.maximum(0.0, np.ceil(np.minimum(middle * mine, 4.0) - u))
            given = float(tokens @ copies)
            low, high, best = (middle, high, given) if given <= target else (low, middle, best)
        found.append(best)
    return found


def ours_s(documents: draws.Documents, drawn: draws.Drawn) -> Array:
    s = np.empty(len(documents.tokens))
    for m, (start, stop) in enumerate(documents.ranges):
        s[start:stop] = drawn.curves[m, 3]
        s[drawn.heads[m]] = drawn.expected[m]
    return s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    documents = pool(arguments.documents)
    space = Space(documents.domains, ("a", "b", "c"))
    budget = int(documents.tokens.sum()) // 20
    op = logical.Sample(
        input=0,
        sample=model.Quadmix(curves=(model.Curve(domain=None),)),
        mixture=model.Natural(),
        quotas=(),
        repeats=(),
        tokens=budget,
        shortfall="error",
        allow_vanishing=False,
    )
    ours, theirs, whole, off, apart = [], [], [], 0.0, 0.0
    for x in space.draw(np.random.default_rng(1), arguments.draws):
        table = x.reshape(DOMAINS, -1)
        started = time.perf_counter()
        drawn = draws.evaluate(documents, op, table[:, :3], table[:, 3:], threads=arguments.threads)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        s = plain(documents, table[:, :3], table[:, 3:])
        theirs.append(time.perf_counter() - started)
        targets = [drawn.allocation.targets[name, 0] for name in documents.domains]  # type: ignore[index]
        given = selected(documents, s, targets)
        whole.append(time.perf_counter() - started)
        apart = max(apart, *(abs(a - drawn.tokens()[n]) for a, n in zip(given, documents.domains, strict=True)))
        off = max(off, float(np.abs(s - ours_s(documents, drawn)).max()))
    print(f"{arguments.documents:,} documents, {DOMAINS} domains, {arguments.draws} draws")
    print(f"ours  {np.median(ours):.3f} s a draw ({1 / np.median(ours):.1f} draws/s), scales and tokens included")
    print(
        f"numpy {np.median(theirs):.3f} s a draw for the formulas alone, {np.median(whole):.3f} s to the tokens of each domain"
    )
    alone, ratio = np.median(np.array(theirs) / np.array(ours)), np.median(np.array(whole) / np.array(ours))
    print(f"speed {ratio:.1f} x (target 10); against the formulas alone {alone:.1f} x")
    print(f"largest difference of S {off:.1e}, of a domain's tokens {apart:,.0f}")


if __name__ == "__main__":
    main()
