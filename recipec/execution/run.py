"""Runs the steps of a plan that have no stored result, in order; each result is complete or absent."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from recipec.database.sql import literal
from recipec.diagnostics import Failure
from recipec.execution import deciding
from recipec.execution.cascades import Cascades
from recipec.execution.pool import Pool
from recipec.execution.tasks import Runner
from recipec.inputs import catalog
from recipec.ir import logical, model
from recipec.ir.selection import Cascade, Selection, Stats
from recipec.ir.task import ScoreTask, Task
from recipec.planning import costs, domains, rates
from recipec.planning.costs import Measured, Setting
from recipec.planning.scheduler import source_of
from recipec.progress import counted
from recipec.selection import gathering, ranking, sampling


@dataclass(slots=True)
class Rates:
    """Timings of the operations of a run, for the estimates of the next plan."""

    measured: list[Measured] = field(default_factory=list)

    @contextlib.contextmanager
    def timed(self, work: float, *ops: logical.Op) -> Iterator[None]:
        """Records the time of the block for operations that ran together, each with `work` units of work."""
        started = time.monotonic()
        yield
        self.add(time.monotonic() - started, [(op, work) for op in ops])

    @contextlib.contextmanager
    def scanned(self, tasks: Sequence[Task]) -> Iterator[None]:
        """Records the time of the block for the operations of tasks, each with the work of the tasks that contain it."""
        started = time.monotonic()
        yield
        ops: dict[int, logical.Op] = {}
        work: dict[int, float] = defaultdict(float)
        for task in tasks:
            for op in task.ops if isinstance(task, ScoreTask) else (task.op,):
                ops[id(op)] = op
                work[id(op)] += costs.work(op, task.shard.rows, task.shard.bytes)
        self.add(time.monotonic() - started, [(op, work[key]) for key, op in ops.items()])

    def add(self, seconds: float, parts: Sequence[tuple[logical.Op, float]]) -> None:
        """Records the time that operations, each with its units of work, took together."""
        self.measured += costs.split(seconds, parts)


@dataclass(slots=True)
class Run:
    """One run of a plan: the facts about its documents, and the engine that performs its tasks.

    Attributes:
        now: whether mixers measure what has not been measured yet.
    """

    pool: Pool
    runner: Runner
    now: bool = False
    rates: Rates = field(default_factory=Rates)

    def read(self) -> None:
        """Runs every `Read` for the shards that have no result."""
        for position, op in enumerate(self.pool.plan.ops):
            if isinstance(op, logical.Read):
                self._run_tasks(f"read {op.source.name}", self.pool.read_tasks(position))

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
        if seen := done():
            ran = pool.scores([p for p in group if any(p in mine for _, mine in todo)])
            self.rates.add(time.monotonic() - started, [(op, seen) for op in ran])

    def select(self) -> Selection:
        """Gathers, ranks and samples; returns the stored selection."""
        pool = self.pool
        found: list[Selection] = []
        for sample in (position for position, op in enumerate(pool.plan.ops) if op.kind == "sample"):
            if pool.store.has_result(pool.ids[sample]):
                found.append(Selection.model_validate(pool.store.facts(pool.ids[sample])))
                continue
            self.gather()
            stats = self.rank()
            pool.progress("sample", 0, pool.rows, "documents")
            found.append(self._sample(sample, stats, found))
            pool.progress("sample", pool.rows, pool.rows, "documents")
        return found[-1].model_copy(update={"cascades": self.cascades()})

    def cascades(self) -> tuple[Cascade, ...]:
        """The reports of the cascades, before or after they ran."""
        cascades = Cascades.of(self.pool)
        return () if cascades is None else (cascades.report(),)

    def gather(self) -> None:
        """Combines all sources, unless the result is stored.

        Raises:
            Failure: an id appears twice in a source.
        """
        pool = self.pool
        position, op = pool.plan.one(logical.Gather)
        pool.progress("gather", 0, pool.rows, "documents")
        if pool.store.has_result(pool.ids[position]):
            return
        parts = [
            gathering.GatherInput(source_of(pool.plan, end).source.name, pool.after(end, pool.shards_of(end)))
            for end in op.inputs
        ]
        self._check_duplicates()
        with self.rates.timed(pool.rows, op):
            gathering.gather(pool.connection, op, parts, pool.store.result(pool.ids[position]))
        pool.store.keep_facts(pool.ids[position], {})

    def rank(self) -> tuple[Stats, ...]:
        """Ranks the pool unless the result is stored; returns the criteria's statistics.

        Raises:
            Failure: the recipe names a domain that no document has, or scores are missing.
        """
        pool = self.pool
        position, op = pool.plan.one(logical.Rank)
        pool.progress("rank", 0, pool.rows, "documents")
        if not pool.store.has_result(pool.ids[position]):
            candidates = pool.store.result(pool.ids[op.input])
            self._check_domains()
            with self.rates.timed(pool.rows, op):
                stats = ranking.rank(pool.connection, op, candidates, pool.store.result(pool.ids[position]))
            pool.store.keep_facts(pool.ids[position], [one.model_dump(mode="json") for one in stats])
        return tuple(Stats.model_validate(one) for one in pool.store.facts(pool.ids[position]))

    def _drafted(self, pool: Pool) -> str:
        """A table expression of the candidates with `rank`, computed from the draft scores of another pool."""
        draft = replace(self, pool=pool)
        draft.gather()
        draft.rank()
        position, _ = pool.plan.one(logical.Rank)
        return f"read_parquet({literal(str(pool.store.result(pool.ids[position])))})"

    def _reads(self) -> Iterator[tuple[int, logical.Read]]:
        for position, op in enumerate(self.pool.plan.ops):
            if isinstance(op, logical.Read):
                yield position, op

    def _check_duplicates(self) -> None:
        pool = self.pool
        for position, op in self._reads():
            shards = pool.shards_of(position)
            files = [pool.store.shard_result(pool.ids[position], shard) for shard in shards]
            catalog.check_duplicates(pool.connection, op.source, shards, files)

    def _check_domains(self) -> None:
        pool = self.pool
        known: set[str] = set()
        for position, _ in self._reads():
            shards = pool.shards_of(position)
            results = [pool.store.shard_result(pool.ids[position], shard) for shard in shards]
            known.update(catalog.domains(pool.store.root, pool.ids[position], shards, results))
        found = domains.unknown(pool.recipe, known)
        if found:
            raise Failure(*found)

    def _sample(self, position: int, stats: tuple[Stats, ...], earlier: Sequence[Selection]) -> Selection:
        pool = self.pool
        op = pool.plan.ops[position]
        assert isinstance(op, logical.Sample)
        follows = isinstance(pool.plan.ops[op.input], logical.Sample)
        ranked = pool.store.result(pool.ids[op.input])
        if pool.sampling is not None:
            op = scaled(op, pool.sampling)
        with self.rates.timed(0, op):
            found = sampling.candidates(pool.connection, op, ranked, follows=follows)
        # A mixer's measurements do not count as time for drawing.
        decided = deciding.decide(pool, position, op, found, earlier, now=self.now)
        with self.rates.timed(pool.rows, op):
            result = sampling.sample(op, found, decided, pool.store.result(pool.ids[position]))
        provisional = bool(decided.waiting) or any(one.provisional for one in earlier)
        result = result.model_copy(update={"stats": stats, "provisional": provisional})
        if not provisional:
            # Without facts there is no stored result: an undecided selection is shown but never reused.
            pool.store.keep_facts(pool.ids[position], result.model_dump(mode="json"))
        return result

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
