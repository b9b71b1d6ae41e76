"""Benchmark: what a draw of sampling parameters selects, against the formulas with a sort of each domain for every draw.

    python tests/benchmarks/bench_draws.py [--documents 10_000_000] [--draws 10]

The pool: 3 criteria, 26 domains, token counts of 100 to 3,100. The competitor is QuaDMix in plain numpy, every draw anew: merge,
argsort a domain, cumulated tokens, the curve; then, for what is selected, each domain's scale by 40 halvings, copies over all of
its documents at each. Both are shown: the formulas alone, and up to the tokens of each domain, which is what ours gives. The
expectations must agree to 2⁻⁴⁰, the tokens to a document.
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
from recipec.ir.selection import Stats
from recipec.search.space import Space
from recipec.selection import kernel, mixing
from recipec.selection.columns import Columns, DomainRange, Layout
from recipec.selection.parts import parts
from recipec.selection.quality import Quality

DOMAINS = 26


def pool(count: int, threads: int) -> kernel.Arranged:
    """A pool whose scores are normal already, at most 4 copies of each document."""
    generator = np.random.default_rng(0)
    domain = np.sort(generator.integers(0, DOMAINS, count))
    u = generator.uniform(size=count)
    edges = np.searchsorted(domain, np.arange(DOMAINS + 1)).tolist()
    names = [f"domain_{number:02}" for number in range(DOMAINS)]
    values: dict[str, Array] = {
        "tokens": generator.integers(100, 3100, count).astype(np.uint16),
        "draw": u[np.lexsort((u, domain))],
        **{f"score_{number}": generator.standard_normal(count) for number in range(3)},
    }
    layout = Layout(
        rows=count,
        candidates=count,
        domains=tuple(DomainRange(name=n, start=a, stop=b) for n, a, b in zip(names, edges, edges[1:], strict=False)),
        stats=tuple(Stats(criterion=n, count=count, missing=0, mean=0.0, std=1.0, low=-9.0, high=9.0) for n in "abc"),
        rejected=(),
        columns=(),
    )
    columns = Columns(layout, values)
    quality = Quality(columns, ("lower",) * 3, "zscore")
    quality.prepare()
    return kernel.Arranged(columns, parts(columns, [4.0] * DOMAINS, [0] * DOMAINS), quality, None, None, threads)


def evaluated(ready: kernel.Arranged, op: logical.Sample, weights: Array, curves: Array) -> kernel.Drawn:
    rules = kernel.Rules(weights, True, curves, None, 1.0, (4.0,) * DOMAINS, (0,) * DOMAINS, "zscore", False, "share")
    found = kernel.ranked(ready, rules)
    return kernel.draw(found, op, mixing.decide(mixing.Problem(op, found.totals)))


def plain(ready: kernel.Arranged, weights: Array, curves: Array) -> Array:
    """S of every document (n,)."""
    columns = ready.columns
    s = np.empty(columns.layout.rows)
    for m, domain in enumerate(columns.layout.domains):
        start, stop = domain.start, domain.stop
        lambda_, omega, eta, epsilon = curves[m]
        q = columns.score(0)[start:stop] * weights[m, 0]
        for number in (1, 2):
            q = q + columns.score(number)[start:stop] * weights[m, number]
        tokens = columns["tokens"][start:stop].astype(np.int64)
        order = np.argsort(q)
        ordered = q[order]
        above = tokens[order].cumsum()
        last = np.searchsorted(ordered, ordered, side="right") - 1
        rank = np.empty(len(q))
        rank[order] = above[last] / above[-1]
        within = (2 / (1 + np.exp(-lambda_ * (omega - rank)))) ** eta + epsilon
        # Expectations are multiples of 2⁻⁴⁰.
        s[start:stop] = np.floor(np.where(rank <= omega, within, epsilon) * 2.0**40 + 0.5) / 2.0**40
    return s


def selected(ready: kernel.Arranged, s: Array, targets: list[float]) -> list[float]:
    """Tokens of each domain at the largest scale that keeps within its target."""
    found = []
    for domain, target in zip(ready.columns.layout.domains, targets, strict=True):
        inside = slice(domain.start, domain.stop)
        tokens, u, mine = ready.columns["tokens"][inside], ready.columns["draw"][inside], s[inside]
        low, high, best = 0.0, 4.0 / float(mine.min()), 0.0
        for _ in range(40):
            middle = (low + high) / 2
            copies = np.maximum(0.0, np.ceil(np.minimum(middle * mine, 4.0) - u))
            given = float((tokens * copies).sum())
            low, high, best = (middle, high, given) if given <= target else (low, middle, best)
        found.append(best)
    return found


def ours_s(drawn: kernel.Drawn) -> Array:
    s = np.empty(drawn.found.ready.columns.layout.rows)
    for piece in drawn.pieces():
        s[piece.rows] = piece.expected
    return s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    ready = pool(arguments.documents, arguments.threads)
    names = ready.columns.domains
    space = Space(names, ("a", "b", "c"))
    budget = int(ready.columns["tokens"].sum(dtype=np.int64)) // 20
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
        drawn = evaluated(ready, op, table[:, :3], table[:, 3:])
        tokens = drawn.tokens()
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        s = plain(ready, table[:, :3], table[:, 3:])
        theirs.append(time.perf_counter() - started)
        by_cell = drawn.allocation.targets or {}
        targets = [by_cell[name, 0] for name in names]
        given = selected(ready, s, targets)
        whole.append(time.perf_counter() - started)
        apart = max(apart, *(abs(a - tokens[n]) for a, n in zip(given, names, strict=True)))
        off = max(off, float(np.abs(s - ours_s(drawn)).max()))
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
