"""Turns draws of a recipe's sampling parameters into datasets that proxies are trained on.

A proxy's dataset is a keyed share of the documents of exactly the selection that `apply` would make with the draw's
parameters; the share is the proxy's tokens / the budget's tokens. So quotas, limits and budget hold, and documents
repeat as in the real run.
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
"""Factor by which more documents are tokenised than needed, since the proxy's tokenizer may count fewer tokens."""

TRIES = 20
"""Maximum number of draws tried per draw requested."""

SEED, CONFIRMING = 1, (2, 3, 4)
"""Seed of the weights and the order of all draws' proxies; seeds of the proxies that confirm the answer."""


def problems(recipe: model.Recipe) -> list[Diagnostic]:
    """The reasons why the sampling parameters of a recipe cannot be searched."""
    found = []

    def problem(message: str, origin: model.Origin | None, *helps: str) -> None:
        found.append(Diagnostic("R1409", message, origin.span if origin else None, helps=helps))

    if recipe.phases:
        problem("the parameters of a recipe with phases cannot be searched", recipe.phases[0].origin)
    if not recipe.criteria:
        problem("a search needs a criterion to rank by", None, "state a `criterion`")
    if not recipe.targets:
        problem("a search needs a target, whose loss it minimises", None, "state a `target`")
    if recipe.budget is None:
        problem("a search needs a budget: proxies repeat documents as often as the real run", None, "state a `budget`")
    elif recipe.search is not None and recipe.search.proxy.tokens > recipe.budget.tokens:
        size = (
            f"{recipe.search.proxy.tokens:,} tokens of a proxy are more than the {recipe.budget.tokens:,} of the budget"
        )
        problem(size, recipe.budget.origin, "`search { proxy { tokens … } }`")
    if not isinstance(recipe.sample, model.Quadmix):
        problem("only the parameters of `sample quadmix` can be searched", recipe.sample.origin, "sample by QuaDMix")
    mixer = mixing.mixer_of(recipe.mixture)
    if mixer.law or mixer.measures:
        message = f"`mixture {mixer.name}` decides the domains' shares itself, so a search cannot"
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
    pool: the documents to draw from; `mine`: (n,) whether a document is in the proxies' sample.
    op: the operation that allocates every draw; nothing shrinks or vanishes unless the recipe allows it.
    share: share of the documents in a proxy's dataset; `ratio`: tokens of the proxy's tokenizer per token of the
        recipe.
    tried, infeasible: number of draws tried, and reasons why some are not feasible.
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
        """The selection of parameters; None, with the reason counted, if they are not feasible."""
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
        """The selection of equal weights and one curve (λ, ω, η, ε) for all domains.

        Raises:
            Failure: they are not feasible.
        """
        weights = np.ones((len(self.space.domains), max(len(self.space.criteria), 1))) / len(self.space.criteria)
        curves = np.array([tuple(curve)] * len(self.space.domains), float)
        return draws.evaluate(self.pool, self.op, weights, curves, threads=self.threads)

    def training(self, name: str, drawn: Drawn, seed: int = SEED) -> Training:
        """The training of a proxy on a draw; writes the copies of its documents for the trainer."""
        copies = np.zeros(len(self.corpus.tokens), np.int64)
        copies[self.pool.numbers[self.mine]] = drawn.copies(self.pool)[self.mine]
        path = self.corpus.folder / "copies" / f"{name.replace(' ', '-')}.npy"
        with local.replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, copies)
        return Training(name=name, seed=seed, copies=str(path))

    def first(self, count: int, seed: int) -> list[tuple[Array, Drawn]]:
        """Makes `count` feasible draws; the first draws do not depend on `count`.

        Raises:
            Failure: hardly any draw is feasible.
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
            message = f"only {len(found):,} of {number:,} draws are feasible: {why}"
            raise Failure(
                Diagnostic("R1411", message, helps=("change the quotas, the limits or the bounds of the search",))
            )
        return found

    def warnings(self) -> tuple[Diagnostic, ...]:
        """Warnings about the draws and the proxies' sample."""
        words = []
        if self.infeasible:
            total = self.infeasible.total()
            why = "; ".join(f"{times:,} × {reason}" for reason, times in self.infeasible.most_common(3))
            words.append(f"{total:,} of {self.tried:,} draws are not feasible and are left out: {why}")
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
"""Bytes per document while draws are evaluated, plus eight per criterion."""


def _check_memory(run: Run, rows: int, criteria: int) -> None:
    """Raises Failure if a pool is too large to be held as arrays within the memory limit."""
    [(limit,)] = run.pool.connection.execute("SELECT current_setting('memory_limit')").fetchall()
    number, unit = str(limit).split()
    most = float(number) * 1024.0 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
    need = rows * (DOCUMENT + 8 * criteria)
    if need > most:
        message = f"{rows:,} documents take {need / 1e9:.1f} GB in a search, more than the memory limit of {most / 1e9:.1f} GB"
        raise Failure(Diagnostic("R1409", message, helps=(f"`--memory {math.ceil(need / 1e9)}GB`",)))


def opened(run: Run, search: Search) -> Trials:
    """Opens the trials of a run of a `base` recipe: reads, scores, ranks, and tokenises the proxies' sample.

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
    # Each document is followed by an end token.
    ratio = float((corpus.tokens[mine] + 1).sum()) / max(float(pool.tokens[known].sum()), 1.0)
    part = min(share, search.proxy.tokens / (op.tokens * ratio)) if ratio else share
    known[known] = corpus.places[mine] < part
    criteria = tuple(name for name, _ in rank.criteria)
    space = Space(pool.domains, criteria, search.bounds)
    strict = op.model_copy(update={"shortfall": "error"})
    return Trials(run, search, space, pool, strict, corpus, known, part, ratio)
