"""Turns draws of a recipe's sampling parameters into datasets that proxies are trained on.

A proxy's dataset is a keyed share of the documents of exactly the selection that `apply` would make with the draw's
parameters; the share is the proxy's tokens / the budget's tokens. So quotas, limits and budget hold, and documents
repeat as in the real run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from recipec import proxies
from recipec.arrays import Array
from recipec.database.session import memory_limit
from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure, Severity
from recipec.ir import logical, model
from recipec.ir.search import Search
from recipec.numbers import plain
from recipec.places import local
from recipec.proxies.records import Training
from recipec.search.space import Space
from recipec.selection import kernel, mixing
from recipec.selection.figures import check_vanishing
from recipec.selection.kernel import Drawn

if TYPE_CHECKING:
    from recipec.execution.run import Run

ROOM = 2.0
"""Factor by which more documents are tokenised than needed, since the proxy's tokenizer may count fewer tokens."""

TRIES = 20
"""Maximum number of draws tried per draw requested."""

SHARE = 0.5
"""Share of the memory limit that normalised scores may take."""

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
    ready, rules: the documents to draw from, and the rules apart from the parameters.
    numbers: (n,) the corpus's number of each document, −1 if it is not there; `mine`: (n,) whether a document is in the
        proxies' sample.
    op: the operation that allocates every draw; nothing shrinks or vanishes unless the recipe allows it.
    share: share of the documents in a proxy's dataset; `ratio`: tokens of the proxy's tokenizer per token of the
        recipe.
    tried, infeasible: number of draws tried, and reasons why some are not feasible.
    """

    run: Run
    search: Search
    space: Space
    ready: kernel.Arranged
    rules: kernel.Rules
    op: logical.Sample
    corpus: proxies.Corpus
    numbers: Array
    mine: Array
    share: float
    ratio: float
    tried: int = 0
    infeasible: Counter[str] = field(default_factory=Counter)

    def drawn(self, x: Array) -> Drawn | None:
        """The selection of parameters; None, with the reason counted, if they are not feasible."""
        table = x.reshape(len(self.space.domains), -1)
        split = len(self.space.weighted)
        weights = table[:, :split] if split else np.ones((len(table), 1))
        self.tried += 1
        try:
            return self._evaluated(weights, table[:, split:])
        except Failure as failure:
            self.infeasible[failure.diagnostics[0].message] += 1
            return None

    def standard(self, curve: Sequence[float]) -> Drawn:
        """The selection of equal weights and one curve (λ, ω, η, ε) for all domains.

        Raises:
            Failure: they are not feasible.
        """
        weights = np.ones((len(self.space.domains), max(len(self.space.criteria), 1))) / len(self.space.criteria)
        return self._evaluated(weights, np.array([tuple(curve)] * len(self.space.domains), float))

    def _evaluated(self, weights: Array, curves: Array) -> Drawn:
        """What `apply` would select with weights (M, N) and curves (M, 4)."""
        found = kernel.ranked(self.ready, replace(self.rules, weights=weights, curves=curves))
        drawn = kernel.draw(found, self.op, mixing.decide(mixing.Problem(self.op, found.totals)))
        check_vanishing(self.op, drawn.allocation.weights, drawn.tokens())
        return drawn

    def training(self, name: str, drawn: Drawn, seed: int = SEED) -> Training:
        """The training of a proxy on a draw; writes the copies of its documents for the trainer."""
        copies = np.zeros(len(self.corpus.tokens), np.int64)
        copies[self.numbers[self.mine]] = drawn.copies()[self.mine]
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
            words.append(
                f"proxies go {plain(times, 2)} times through their datasets: they repeat more than the real run"
            )
        return tuple(Diagnostic("R1411", message, severity=Severity.WARNING) for message in words)

    @property
    def wanted(self) -> float:
        """The share of the documents that matches the proxy's tokens."""
        assert self.op.tokens is not None
        return self.search.proxy.tokens / (self.op.tokens * self.ratio)


def opened(run: Run, search: Search) -> Trials:
    """Opens the trials of a run of a `base` recipe: reads, scores, makes columns, and tokenises the proxies' sample.

    Raises:
        Failure: the recipe's documents cannot be ranked.
    """
    _, rank = run.pool.plan.one(logical.Rank)
    op = run.pool.plan.sample
    assert op.tokens is not None
    run.read()
    run.score()
    found = run.ranked()
    columns = found.ready.columns
    if 8 * columns.layout.rows * len(rank.criteria) <= SHARE * memory_limit(run.pool.connection):
        # Else every draw normalises the scores again, from the mapped files.
        found.ready.quality.prepare()
    share = min(1.0, ROOM * search.proxy.tokens / op.tokens)
    corpus = proxies.prepare(run.pool, search.proxy, run.pool.recipe.targets, share)
    numbers = _numbers(run, corpus)[columns["number"]]
    known = numbers >= 0
    mine = numbers[known]
    # Each document is followed by an end token.
    tokens = int(columns["tokens"][known].sum(dtype=np.int64))
    ratio = float((corpus.tokens[mine] + 1).sum()) / max(float(tokens), 1.0)
    part = min(share, search.proxy.tokens / (op.tokens * ratio)) if ratio else share
    known[known] = corpus.places[mine] < part
    space = Space(columns.domains, tuple(name for name, _ in rank.criteria), search.bounds)
    strict = op.model_copy(update={"shortfall": "error"})
    return Trials(run, search, space, found.ready, found.rules, strict, corpus, numbers, known, part, ratio)


def _numbers(run: Run, corpus: proxies.Corpus) -> Array:
    """The corpus's number (n,) of each candidate, −1 if it is not there."""
    there = f"read_parquet({literal(str(corpus.folder / 'documents.parquet'))})"
    found = run.pool.connection.execute(
        f"SELECT c.number AS row, k.number AS number FROM {run.candidates.relation()} AS c "
        f"JOIN (SELECT source, doc_id, number FROM {there}) AS k USING (source, doc_id)"
    ).fetchnumpy()
    numbers = np.full(run.pool.rows, -1, np.int64)
    numbers[found["row"]] = found["number"]
    return numbers
