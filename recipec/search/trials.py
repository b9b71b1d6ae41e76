"""Draws of a recipe's sampling parameters as datasets that proxies are trained on.

A proxy's dataset is a keyed share of the documents of the very selection that `apply` would make with the draw's parameters, the
share being the proxy's tokens of the budget's. So quotas, limits and budget hold, and documents repeat as in the real run.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recipec import proxies
from recipec.arrays import Array
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.ir import logical, model
from recipec.ir.search import Search
from recipec.places import local
from recipec.proxies.records import Training
from recipec.search import draws
from recipec.search.draws import Documents, Drawn
from recipec.search.space import Space
from recipec.selection import mixing

if TYPE_CHECKING:
    from recipec.execution.run import Run

ROOM = 2.0
"""How many times more documents are tokenised than needed if the proxy's tokenizer counted as the recipe does."""

TRIES = 20
"""Draws that are tried for each that is wanted."""

SEED, CONFIRMING = 1, (2, 3, 4)
"""Of the weights and the order of all draws' proxies; of those that confirm the answer."""


def problems(recipe: model.Recipe) -> list[Diagnostic]:
    """Why the sampling parameters of a recipe cannot be searched."""
    found = []

    def problem(message: str, origin: model.Origin | None, *helps: str) -> None:
        found.append(Diagnostic("R1409", message, origin.span if origin else None, helps=helps))

    if recipe.phases:
        problem("the parameters of a recipe with phases cannot be searched", recipe.phases[0].origin)
    if not recipe.criteria:
        problem("a search needs a criterion to rank by", None, "state a `criterion`")
    if not recipe.targets:
        problem("a search needs a target, whose loss is to fall", None, "state a `target`")
    if recipe.budget is None:
        problem("a search needs a budget: proxies repeat documents as often as the real run", None, "state a `budget`")
    elif recipe.search is not None and recipe.search.proxy.tokens > recipe.budget.tokens:
        size = (
            f"{recipe.search.proxy.tokens:,} tokens of a proxy are more than the {recipe.budget.tokens:,} of the budget"
        )
        problem(size, recipe.budget.origin, "`search { proxy { tokens … } }`")
    if not isinstance(recipe.sample, model.Quadmix):
        problem("a search is of `sample quadmix`", recipe.sample.origin, "sample by QuaDMix")
    mixer = mixing.mixer_of(recipe.mixture)
    if mixer.law or mixer.measures:
        message = f"`mixture {mixer.name}` decides the domains' shares itself, so that a search cannot"
        problem(message, recipe.mixture.origin, "`mixture natural` lets the search decide them")
    return found


def base(recipe: model.Recipe) -> model.Recipe:
    """The recipe with equal weights and the default curve."""
    weight = 1 / max(len(recipe.criteria), 1)
    origin = recipe.criteria[0].origin
    equal = model.Weights(domain=None, weights=tuple((one.name, weight) for one in recipe.criteria), origin=origin)
    quality = recipe.quality.model_copy(update={"weights": (equal,), "path": "", "digest": ""})
    return recipe.model_copy(update={"quality": quality, "sample": model.Quadmix(curves=(model.Curve(domain=None),))})


@dataclass(slots=True)
class Trials:
    """Attributes:
    pool: the documents that are drawn from; `mine`: (n,) whether the proxies' sample has one.
    op: what every draw is allocated by; nothing shrinks or vanishes that the recipe does not let vanish.
    share: of the documents, that a proxy's dataset is; `ratio`: tokens of the proxy's tokenizer to one of the recipe's.
    tried, infeasible: draws that were looked at, and why some cannot be met.
    """

    run: Run
    search: Search
    space: Space
    pool: Documents
    op: logical.Sample
    corpus: proxies.Corpus
    mine: Array
    share: float
    ratio: float
    tried: int = 0
    infeasible: Counter[str] = field(default_factory=Counter)

    @property
    def threads(self) -> int:
        return self.run.pool.scorer.threads or len(os.sched_getaffinity(0))

    def drawn(self, x: Array) -> Drawn | None:
        """What parameters select, or None (and counted) where they cannot be met."""
        table = x.reshape(len(self.space.domains), -1)
        split = len(self.space.weighted)
        weights = table[:, :split] if split else np.ones((len(table), 1))
        self.tried += 1
        try:
            return draws.evaluate(self.pool, self.op, weights, table[:, split:], threads=self.threads)
        except Failure as failure:
            self.infeasible[failure.diagnostics[0].message] += 1
            return None

    def standard(self, curve: Sequence[float]) -> Drawn:
        """What equal weights and one curve for all domains (λ, ω, η, ε) select.

        Raises:
            Failure: they cannot be met.
        """
        weights = np.ones((len(self.space.domains), max(len(self.space.criteria), 1))) / len(self.space.criteria)
        curves = np.array([tuple(curve)] * len(self.space.domains), float)
        return draws.evaluate(self.pool, self.op, weights, curves, threads=self.threads)

    def training(self, name: str, drawn: Drawn, seed: int = SEED) -> Training:
        """The proxy's dataset of a draw: its copies are written for the trainer."""
        copies = np.zeros(len(self.corpus.tokens), np.int64)
        copies[self.pool.numbers[self.mine]] = drawn.copies(self.pool)[self.mine]
        path = self.corpus.folder / "copies" / f"{name.replace(' ', '-')}.npy"
        with local.replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, copies)
        return Training(name=name, seed=seed, copies=str(path))

    def first(self, count: int, seed: int) -> list[tuple[Array, Drawn]]:
        """So many draws that can be met, the same first ones whatever their number.

        Raises:
            Failure: hardly any can.
        """
        found: list[tuple[Array, Drawn]] = []
        number = 0
        while len(found) < count and number < TRIES * count:
            x = self.space.draw(np.random.default_rng([seed, number]), 1)[0]
            drawn = self.drawn(x)
            number += 1
            if drawn is not None:
                found.append((x, drawn))
                self.run.pool.progress("draw parameters", len(found), count, "draws")
        if len(found) < count:
            why = "; ".join(f"{times:,} × {reason}" for reason, times in self.infeasible.most_common(3))
            message = f"only {len(found):,} of {number:,} draws can be met: {why}"
            raise Failure(Diagnostic("R1411", message, helps=("other quotas, limits or bounds of the search",)))
        return found

    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is to be known of the draws and of the proxies' sample."""
        words = []
        if self.infeasible:
            total = self.infeasible.total()
            why = "; ".join(f"{times:,} × {reason}" for reason, times in self.infeasible.most_common(3))
            words.append(f"{total:,} of {self.tried:,} draws cannot be met and are left out: {why}")
        if self.wanted > self.share * 1.02:
            times = self.wanted / self.share
            words.append(f"proxies go {times:.2g} times through their datasets: they repeat more than the real run")
        return tuple(Diagnostic("R1411", message, severity=Severity.WARNING) for message in words)

    @property
    def wanted(self) -> float:
        """The share of the documents that matches the proxy's tokens."""
        assert self.op.tokens is not None
        return self.search.proxy.tokens / (self.op.tokens * self.ratio)


DOCUMENT = 96
"""Bytes that a document takes beside its criteria, eight each, while draws are evaluated."""


def _check_memory(run: Run, rows: int, criteria: int) -> None:
    """Raises Failure where a pool is too large to be held as arrays in the memory that the run may take."""
    [(limit,)] = run.pool.connection.execute("SELECT current_setting('memory_limit')").fetchall()
    number, unit = str(limit).split()
    most = float(number) * 1024.0 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
    need = rows * (DOCUMENT + 8 * criteria)
    if need > most:
        message = f"{rows:,} documents take {need / 1e9:.1f} GB in a search, more than the memory limit of {most / 1e9:.1f} GB"
        raise Failure(Diagnostic("R1409", message, helps=(f"`--memory {math.ceil(need / 1e9)}GB`",)))


def opened(run: Run, search: Search) -> Trials:
    """The trials of a run of a `base` recipe: reads, scores, ranks, and tokenises the proxies' sample.

    Raises:
        Failure: the recipe's documents cannot be ranked, or there is too little memory for the pool.
    """
    at = {op.kind: number for number, op in enumerate(run.pool.plan.ops)}
    rows = run.pool.rows
    rank, op = run.pool.plan.ops[at["rank"]], run.pool.plan.sample
    assert isinstance(rank, logical.Rank)
    assert op.tokens is not None
    _check_memory(run, rows, len(rank.criteria))
    run.read()
    run.score()
    run.gather()
    stats = run.rank()
    share = min(1.0, ROOM * search.proxy.tokens / op.tokens)
    corpus = proxies.prepare(run.pool, search.proxy, run.pool.recipe.targets, share)
    numbers = f"(SELECT source, doc_id, number FROM read_parquet({literal(str(corpus.folder / 'documents.parquet'))}))"
    run.pool.progress("rank", 0, rows, "documents")
    pool = draws.documents(
        run.pool.connection, rank, op, run.pool.store.result(run.pool.ids[at["rank"]]), stats, numbers
    )
    run.pool.progress("rank", rows, rows, "documents")
    known = pool.numbers >= 0
    mine = pool.numbers[known]
    # Each document is followed by a token that ends it.
    ratio = float((corpus.tokens[mine] + 1).sum()) / max(float(pool.tokens[known].sum()), 1.0)
    part = min(share, search.proxy.tokens / (op.tokens * ratio)) if ratio else share
    known[known] = corpus.places[mine] < part
    criteria = tuple(name for name, _ in rank.criteria)
    space = Space(pool.domains, criteria, search.bounds)
    strict = op.model_copy(update={"shortfall": "error"})
    return Trials(run, search, space, pool, strict, corpus, known, part, ratio)
