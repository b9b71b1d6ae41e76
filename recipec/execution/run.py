"""Runs the steps of a plan that have no stored result, in order; each result is complete or absent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from recipec.database.session import threads
from recipec.diagnostics import Failure
from recipec.execution import deciding
from recipec.execution.candidates import Candidates
from recipec.execution.cascades import Cascades
from recipec.execution.pool import Pool
from recipec.execution.tasks import Runner
from recipec.execution.timings import Rates
from recipec.inputs import attributes
from recipec.inputs.facts import facts
from recipec.ir import logical, model
from recipec.ir.mixing import Decided
from recipec.ir.selection import Cascade, Selection
from recipec.ir.task import Task
from recipec.planning import cautions, costs, domains, rates
from recipec.planning.costs import Setting
from recipec.planning.scheduler import source_of
from recipec.progress import counted
from recipec.selection import checks, decisions, figures, kernel, mixing
from recipec.selection.columns import Columns


@dataclass(slots=True)
class Run:
    """One run of a plan: the facts about its documents, and the engine that performs its tasks.

    Attributes:
        now: whether mixers measure what has not been measured yet.
        draws: what has been drawn so far, by the position of the `Sample`.
    """

    pool: Pool
    runner: Runner
    now: bool = False
    rates: Rates = field(default_factory=Rates)
    draws: dict[int, kernel.Drawn] = field(default_factory=dict)

    def read(self) -> None:
        """Runs every `Read` for the shards that have no result."""
        for position, op in enumerate(self.pool.plan.ops):
            if isinstance(op, logical.Read):
                self._join(position, op)
                self._run_tasks(f"read {op.source.name}", self.pool.read_tasks(position))

    def _join(self, position: int, op: logical.Read) -> None:
        """Finds the attributes of the shards of a source, for those that have no result."""
        pool = self.pool
        read = facts(op).read
        many = pool.shards_of(position)
        root = pool.store.root
        attributes.store(pool.connection, read, many, pool.attributes, pool.folder, root, pool.progress)

    def score(self, models: bool = True) -> None:
        """Runs every `Score` for the shards that have no result; consecutive ones share a scan.

        Args:
            models: whether to run model scores; if not, stops before the first one.
        """
        cascades = Cascades.of(self.pool)
        later = set(cascades.positions) if cascades is not None else set()
        for group in self.pool.groups():
            by_text = [p for p in group if not self.pool.is_by_model(p)]
            if by_text:
                name = source_of(self.pool.plan, by_text[0]).source.name
                self._run_tasks(f"score {name}", self.pool.score_tasks(by_text))
            by_model = [p for p in group if self.pool.is_by_model(p) and p not in later]
            if (by_model or later & set(group)) and not models:
                return
            if by_model:
                self._score_by_model(by_model)
        if cascades is not None and models and cascades.missing():
            cascades.score(self._drafted)

    def _run_tasks(self, name: str, tasks: Sequence[Task]) -> None:
        """Passes the tasks of operations that run together to the engine; shards with the same bytes share a result."""
        tasks = list({task.results: task for task in reversed(tasks)}.values())[::-1]
        if not tasks:
            return
        self.pool.progress(name, 0, len(tasks), "shards")
        with self.rates.scanned(tasks):
            for done, _ in enumerate(self.runner.run(tasks), start=1):
                self.pool.progress(name, done, len(tasks), "shards")
        self.pool.check_unchanged()

    def _score_by_model(self, group: Sequence[int]) -> None:
        pool, scorer = self.pool, self.pool.scorer
        todo = pool.missing(group)
        ops = pool.scores(group)
        name = f"score {source_of(pool.plan, group[0]).source.name} by {ops[0].call.params['model']}"
        total = sum(scorer.missing(pool.scores(mine), shard, pool.survivors(mine[0], shard)) for shard, mine in todo)
        started = time.monotonic()
        done, count = counted(pool.progress, name, total)
        for shard, mine in todo:
            destinations = [pool.store.shard_result(pool.ids[p], shard) for p in mine]
            scorer.score(pool.scores(mine), shard, pool.survivors(mine[0], shard), destinations, count)
        pool.check_unchanged()
        if seen := done():
            ran = pool.scores([p for p in group if any(p in mine for _, mine in todo)])
            self.rates.add(time.monotonic() - started, [(op, seen) for op in ran])

    def select(self) -> Selection:
        """Gathers, ranks and samples; returns the stored selection."""
        pool = self.pool
        known = (p for p, op in enumerate(pool.plan.ops) if isinstance(op, logical.Gather | logical.Rank))
        if not all(pool.store.has_result(pool.ids[position]) for position in known):
            self.ranked()
        found: list[Selection] = []
        for position in self._samples():
            if pool.store.has_result(pool.ids[position]):
                found.append(pool.store.facts(pool.ids[position], Selection))
                continue
            pool.progress("sample", 0, pool.rows, "documents")
            found.append(self._sample(position, found))
            pool.progress("sample", pool.rows, pool.rows, "documents")
        return found[-1].model_copy(update={"cascades": self.cascades()})

    def _samples(self) -> Iterator[int]:
        return (position for position, op in enumerate(self.pool.plan.ops) if isinstance(op, logical.Sample))

    def cascades(self) -> tuple[Cascade, ...]:
        """The reports of the cascades, before or after they ran."""
        cascades = Cascades.of(self.pool)
        return () if cascades is None else (cascades.report(),)

    @property
    def candidates(self) -> Candidates:
        """All documents of the run."""
        return Candidates(self.pool, self.rates)

    def columns(self) -> Columns:
        """The pool as columns: see `Candidates.columns`."""
        return self.candidates.columns()

    def ranked(self, position: int | None = None, columns: Columns | None = None) -> kernel.Ranked:
        """The pool of a `Sample` with its documents within ω known; of the last one, if no position is given.

        Args:
            columns: the pool's, if they are open already.

        Raises:
            Failure: the recipe names a domain that no document has, or scores are missing.
        """
        pool = self.pool
        position = pool.plan.end if position is None else position
        op = self._stated(position)
        number, rank = pool.plan.one(logical.Rank)
        columns = columns or self.columns()
        rules = kernel.rules_of(rank, op, columns.domains)
        if not pool.store.has_result(pool.ids[number]):
            if unknown := domains.unknown(pool.recipe, self.candidates.domains()):
                raise Failure(*unknown)
            checks.check_weights(rank, columns)
            checks.check_missing(pool.connection, rank, columns, rules, self.candidates.relation())
            pool.store.keep_facts(pool.ids[number], {})
        left = kernel.leaves(self.drawn(op.input)) if isinstance(pool.plan.ops[op.input], logical.Sample) else None
        ready = kernel.arranged(columns, rank, rules, left=left, threads=threads(pool.connection))
        return kernel.ranked(ready, rules)

    def drawn(self, position: int | None = None) -> kernel.Drawn:
        """The draw of a `Sample` that is decided; of the last one, if no position is given."""
        pool = self.pool
        position = pool.plan.end if position is None else position
        if position not in self.draws:
            op, found = self._stated(position), self.ranked(position)
            if mixing.mixer_of(op.mixture).measures:
                said = pool.store.facts(pool.ids[position], Selection)
                decided = Decided(dict(said.weights))
            else:
                decided = mixing.decide(mixing.Problem(op, found.totals, found))
            self.draws[position] = kernel.draw(found, op, decided)
        return self.draws[position]

    def ledger(self) -> str:
        """SQL of the ledger's rows, over a temporary table of the decisions."""
        drawn = self.drawn()
        decisions.table(self.pool.connection, drawn, "decisions")
        return decisions.ledger(self.pool.plan.sample, drawn, self.candidates.relation(), "decisions")

    def _drafted(self, pool: Pool) -> str:
        """A table expression of the candidates with `rank`, computed from the draft scores of another pool."""
        draft = replace(self, pool=pool, draws={})
        decisions.ranks_table(pool.connection, draft.ranked(), "drafted_ranks")
        return (
            f"(SELECT c.*, merged, rank, draw FROM {draft.candidates.relation()} AS c "
            f"LEFT JOIN drafted_ranks AS r ON c.number = r.number)"
        )

    def _stated(self, position: int) -> logical.Sample:
        """The `Sample` at a position; in an estimate, that of the sample of documents."""
        op = self.pool.plan.ops[position]
        assert isinstance(op, logical.Sample)
        return op if self.pool.sampling is None else scaled(op, self.pool.sampling)

    def _sample(self, position: int, earlier: Sequence[Selection]) -> Selection:
        pool, op = self.pool, self._stated(position)
        # Making the columns is timed as `rank`, and a mixer's measurements are no time for drawing.
        columns = self.columns()
        with self.rates.timed(0, op):
            found = self.ranked(position, columns)
        layout = columns.layout
        documents = sum(one.documents for one in found.totals)
        if pool.sampling is None:
            cautions.check_pool(pool.recipe, documents, layout.candidates, layout.rejected)
        decided = deciding.decide(pool, position, op, found, earlier, now=self.now)
        with self.rates.timed(pool.rows, op):
            drawn = kernel.draw(found, op, decided)
            result = self._named(drawn, figures.selection(op, drawn, decided))
        self.draws[position] = drawn
        provisional = bool(decided.waiting) or any(one.provisional for one in earlier)
        result = result.model_copy(update={"provisional": provisional})
        pool.check_unchanged()
        if not provisional:
            # Without facts there is no stored result: an undecided selection is shown but never reused.
            pool.store.keep_facts(pool.ids[position], result.model_dump(mode="json"))
        return result

    def _named(self, drawn: kernel.Drawn, found: Selection) -> Selection:
        """A selection with the documents named that keep cells from their targets."""
        blocking = figures.blockers(drawn, found)
        if not blocking:
            return found
        rows = ", ".join(str(row) for row, _ in blocking.values())
        names = {
            row: f"{doc_id} of source {source}"
            for row, source, doc_id in self.pool.connection.execute(
                f"SELECT number, source, doc_id FROM {self.candidates.relation()} WHERE number IN ({rows})"
            ).fetchall()
        }
        cells = []
        for cell in found.cells:
            row, tokens = blocking.get((cell.domain, cell.nest), (-1, 0))
            cells.append(cell.model_copy(update={"blocked_by": names.get(row, ""), "blocked_tokens": tokens}))
        return found.model_copy(update={"cells": tuple(cells)})

    def keep_rates(self, setting: Setting) -> None:
        """Stores the timings of operations in a setting for the next plan."""
        rates.keep(self.pool.store, costs.histories(self.rates.measured, setting))


def scaled(op: logical.Sample, share: float) -> logical.Sample:
    """The sampling for a share of the documents: token counts are scaled, shares are unchanged."""

    def amount(bound: model.Amount | None) -> model.Amount | None:
        if bound is None or bound.kind == "share":
            return bound
        return bound.model_copy(update={"value": bound.value * share})

    quotas = tuple(q.model_copy(update={"least": amount(q.least), "most": amount(q.most)}) for q in op.quotas)
    tokens = max(1, round(op.tokens * share)) if op.tokens is not None else None
    # A domain too small to appear in the sample has not vanished.
    changed = {"quotas": quotas, "tokens": tokens, "already": round(op.already * share)}
    return op.model_copy(update={**changed, "allow_vanishing": True, "shortfall": "shrink"})
