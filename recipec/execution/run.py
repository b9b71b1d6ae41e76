"""Runs the steps of a plan: whatever has no stored result, in order, each result whole or absent."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from recipec import selection
from recipec.database import relations
from recipec.diagnostics import Failure
from recipec.execution.cascades import Cascades
from recipec.inputs import catalog, reading
from recipec.ir import logical, model
from recipec.ir.execution import Shard
from recipec.ir.selection import Cascade, Selection, Stats
from recipec.places.state import Store
from recipec.planning import domains
from recipec.planning.scheduler import Observed, keep_rates, rate_key, source_of
from recipec.progress import Progress, silent
from recipec.scoring import by_text
from recipec.scoring.by_model import Scorer, cascade_of, wanted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(slots=True)
class Run:
    """One run of a plan.

    Attributes:
        ids: the identity of each operation (`planning.fingerprints`).
        sampling: None, or the share of documents an estimate is made from.
        scorer: runs models, where the plan has scores by them.
    """

    connection: DuckDBPyConnection
    recipe: model.Recipe
    plan: logical.LogicalPlan
    ids: tuple[str, ...]
    shards: tuple[Shard, ...]
    folder: Path
    store: Store
    progress: Progress = silent
    sampling: float | None = None
    scorer: Scorer | None = None
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    work: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def read(self) -> None:
        """Runs every `Read` for the shards that have no result."""
        for position, op in enumerate(self.plan.ops):
            if isinstance(op, logical.Read):
                missing = self.store.missing(self.ids[position], self.shards_of(op))
                if not missing:
                    continue
                self.progress(f"read {op.source.name}", 0, len(missing), "shards")
                destinations = [self.store.shard_result(self.ids[position], shard) for shard in missing]
                with self.timed(op, sum(shard.rows for shard in missing)):
                    for done in reading.read_many(self.connection, op, missing, self.folder, destinations):
                        self.progress(f"read {op.source.name}", done, len(missing), "shards")
                self.progress(f"read {op.source.name}", len(missing), len(missing), "shards")

    def score(self, models: bool = True) -> None:
        """Runs every `Score` for the shards that have no result; those that follow one another share a scan.

        Args:
            models: also those by models; without them it ends before the first.
        """
        cascades = Cascades.of(self)
        later = set(cascades.positions) if cascades is not None else set()
        for group in _groups(self.plan):
            by_text = [p for p in group if not self.is_by_model(p)]
            self._score_group(by_text, self._score_shard)
            by_model = [p for p in group if self.is_by_model(p) and p not in later]
            if (by_model or later & set(group)) and not models:
                return
            if by_model:
                self._score_by_model(by_model)
        if cascades is not None and models and cascades.missing():
            cascades.score()

    def _score_group(self, group: Sequence[int], score: Callable[[Sequence[int], Shard], None]) -> None:
        todo = self._todo(group)
        name = source_of(self.plan, group[0]).source.name if group else ""
        for number, (shard, positions) in enumerate(todo):
            self.progress(f"score {name}", number, len(todo), "shards")
            score(positions, shard)
        if todo:
            self.progress(f"score {name}", len(todo), len(todo), "shards")

    def _todo(self, group: Sequence[int]) -> list[tuple[Shard, list[int]]]:
        """The shards for which some of a group's scores have no result, with those scores."""
        if not group:
            return []
        shards = self.shards_of(source_of(self.plan, group[0]))
        missing = {p: {shard.path for shard in self.store.missing(self.ids[p], shards)} for p in group}
        found = [(shard, [p for p in group if shard.path in missing[p]]) for shard in shards]
        return [(shard, positions) for shard, positions in found if positions]

    def is_by_model(self, position: int) -> bool:
        op = self.plan.ops[position]
        return isinstance(op, logical.Score) and wanted(op.call) is not None

    def scores(self, positions: Sequence[int]) -> list[logical.Score]:
        return [op for p in positions if isinstance(op := self.plan.ops[p], logical.Score)]

    def before(self, position: int, shard: Shard) -> str:
        """A table expression of the documents of a shard as they stand before the step at `position`."""
        return self._relation(position, (shard,))

    def survivors(self, position: int, shard: Shard) -> str:
        return f"(SELECT row FROM {self._relation(position, (shard,))} WHERE bad IS NULL AND rejected_by IS NULL)"

    def _score_shard(self, positions: Sequence[int], shard: Shard) -> None:
        ops = self.scores(positions)
        destinations = [self.store.shard_result(self.ids[p], shard) for p in positions]
        started = time.monotonic()
        survivors = self.survivors(positions[0], shard)
        by_text.score(self.connection, ops, shard, self.folder, survivors, destinations)
        for op in ops:
            self.seconds[rate_key(op)] += (time.monotonic() - started) / len(ops)
            self.work[rate_key(op)] += shard.bytes

    def by_model(self) -> tuple[dict[int, int], dict[int, Observed]]:
        """For each score by a model the texts that it must still see, and what is known of its features so far."""
        documents: dict[int, int] = {}
        observed: dict[int, Observed] = {}
        for group in _groups(self.plan):
            positions = [p for p in group if self.is_by_model(p)]
            for position, op in zip(positions, self.scores(positions), strict=True):
                assert self.scorer is not None
                total, exact = 0, True
                for shard, _ in self._todo([position]):
                    survivors = self.survivors(positions[0], shard) if self._is_known(positions[0], shard) else None
                    total += shard.rows if survivors is None else self.scorer.missing([op], shard, survivors)
                    exact &= survivors is not None
                size, device = self.scorer.observed(op)
                documents[position], observed[position] = total, Observed(size, device, exact)
        return documents, observed

    def pool_ends(self) -> list[tuple[Shard, int, bool]]:
        """For each shard the step up to which (included where true) its documents are filtered without a model."""
        found = []
        for end in next(op for op in self.plan.ops if isinstance(op, logical.Gather)).inputs:
            first, at = None, end
            while not isinstance(op := self.plan.ops[at], logical.Read):
                assert isinstance(op, logical.Score | logical.Filter)
                first = at if self.is_by_model(at) else first
                at = op.input
            shards = self.shards_of(source_of(self.plan, end))
            found += [(shard, end if first is None else first, first is None) for shard in shards]
        return found

    def pools(self) -> list[tuple[Shard, str]]:
        """For each shard a table expression of its documents as filters that need no model leave them, with `rejected_by`
        of those that they do not."""
        return [(shard, self._relation(position, (shard,), own=own)) for shard, position, own in self.pool_ends()]

    def count(self, position: int, shard: Shard) -> int:
        """Documents of a shard that a score is computed of: all of them while a filter before it is not decided."""
        if not self._is_known(position, shard):
            return shard.rows
        query = f"SELECT count(*) FROM {self.survivors(position, shard)}"
        return int(self.connection.execute(query).fetchall()[0][0])

    def _is_known(self, position: int, shard: Shard) -> bool:
        """Whether every score that stands before a step is there for a shard, so that its documents are known."""
        op = self.plan.ops[position]
        while not isinstance(op, logical.Read):
            assert isinstance(op, logical.Score | logical.Filter)
            position, op = op.input, self.plan.ops[op.input]
            if isinstance(op, logical.Score) and self.store.missing(self.ids[position], (shard,)):
                return False
        return True

    def _score_by_model(self, group: Sequence[int]) -> None:
        assert self.scorer is not None
        todo = self._todo(group)
        ops = self.scores(group)
        name = f"score {source_of(self.plan, group[0]).source.name} by {ops[0].call.params['model']}"
        total = sum(
            self.scorer.missing(self.scores(positions), shard, self.survivors(positions[0], shard))
            for shard, positions in todo
        )
        started = time.monotonic()
        done, count = self.counted(name, total)
        for shard, positions in todo:
            destinations = [self.store.shard_result(self.ids[p], shard) for p in positions]
            survivors = self.survivors(positions[0], shard)
            self.scorer.score(self.scores(positions), shard, survivors, destinations, count)
        if seen := done():
            for op in ops:
                self.seconds[rate_key(op)] += (time.monotonic() - started) / len(ops)
                self.work[rate_key(op)] += seen

    def counted(self, task: str, total: int) -> tuple[Callable[[], int], Callable[[int], None]]:
        """Progress over documents that come in batches: what ends it and returns their number, and what counts them."""
        seen = 0

        def count(documents: int) -> None:
            nonlocal seen
            seen += documents
            self.progress(task, min(seen, total), total, "documents")

        def end() -> int:
            if seen:
                self.progress(task, total, total, "documents")
            return seen

        return end, count

    def select(self) -> Selection:
        """Gather, rank and sample; the selection as it is stored."""
        positions = {op.kind: position for position, op in enumerate(self.plan.ops)}
        rows = sum(shard.rows for shard in self.shards)
        gather, rank = positions["gather"], positions["rank"]
        for sample in (position for position, op in enumerate(self.plan.ops) if op.kind == "sample"):
            if self.store.has_result(self.ids[sample]):
                continue
            self.progress("gather", 0, rows, "documents")
            self.gather(gather, rows)
            self.progress("rank", 0, rows, "documents")
            stats = self.rank(rank, gather, rows)
            self.progress("sample", 0, rows, "documents")
            self._sample(sample, rows, stats)
            self.progress("sample", rows, rows, "documents")
        sample = self.plan.end
        found = Selection.model_validate(self.store.facts(self.ids[sample]))
        return found.model_copy(update={"cascades": self.cascades()})

    def cascades(self) -> tuple[Cascade, ...]:
        """What the cascades came to, or are about to."""
        cascades = Cascades.of(self)
        return () if cascades is None else (cascades.report(),)

    def gather(self, position: int, rows: int) -> None:
        op = self.plan.ops[position]
        assert isinstance(op, logical.Gather)
        if self.store.has_result(self.ids[position]):
            return
        parts = []
        for end in op.inputs:
            source = source_of(self.plan, end)
            relation = self._relation(end, self.shards_of(source), own=True)
            parts.append(selection.Part(source.source.name, relation))
        self._check_duplicates(op.inputs)
        with self.timed(op, rows):
            selection.gather(self.connection, op, parts, self.store.result(self.ids[position]))
        self.store.keep_facts(self.ids[position], {})

    def _check_duplicates(self, ends: Sequence[int]) -> None:
        for end in ends:
            read = source_of(self.plan, end)
            position = self.plan.ops.index(read)
            shards = self.shards_of(read)
            files = [self.store.shard_result(self.ids[position], shard) for shard in shards]
            catalog.check_duplicates(self.connection, read.source, shards, files)

    def rank(self, position: int, gather: int, rows: int) -> tuple[Stats, ...]:
        op = self.plan.ops[position]
        assert isinstance(op, logical.Rank)
        if not self.store.has_result(self.ids[position]):
            candidates = self.store.result(self.ids[gather])
            self._check_domains()
            with self.timed(op, rows):
                stats = selection.rank(self.connection, op, candidates, self.store.result(self.ids[position]))
            self.store.keep_facts(self.ids[position], [one.model_dump(mode="json") for one in stats])
        return tuple(Stats.model_validate(one) for one in self.store.facts(self.ids[position]))

    def _check_domains(self) -> None:
        known: set[str] = set()
        for position, op in enumerate(self.plan.ops):
            if isinstance(op, logical.Read):
                shards = self.shards_of(op)
                results = [self.store.shard_result(self.ids[position], shard) for shard in shards]
                known.update(catalog.domains(self.store.root, self.ids[position], shards, results))
        found = domains.unknown(self.recipe, known)
        if found:
            raise Failure(*found)

    def _sample(self, position: int, rows: int, stats: tuple[Stats, ...]) -> None:
        op = self.plan.ops[position]
        assert isinstance(op, logical.Sample)
        follows = isinstance(self.plan.ops[op.input], logical.Sample)
        ranked = self.store.result(self.ids[op.input])
        if self.sampling is not None:
            op = scaled(op, self.sampling)
        with self.timed(op, rows):
            result = selection.sample(
                self.connection, op, ranked, self.store.result(self.ids[position]), follows=follows
            )
        result = result.model_copy(update={"stats": stats})
        self.store.keep_facts(self.ids[position], result.model_dump(mode="json"))

    def sampled(self) -> Path:
        """The stored result of `Sample`: the ledger's rows."""
        return self.store.result(self.ids[self.plan.end])

    def keep_rates(self) -> None:
        measured = {key: self.seconds[key] / work for key, work in self.work.items() if work}
        if measured:
            keep_rates(self.store, measured)

    def shards_of(self, read: logical.Read) -> tuple[Shard, ...]:
        return tuple(shard for shard in self.shards if shard.source == read.source.name)

    def _relation(self, position: int, shards: Sequence[Shard], own: bool = False) -> str:
        """The documents of some shards as they stand before the step at `position` (`own`: after it)."""
        links: list[relations.Scored | logical.Filter] = []
        op = self.plan.ops[position]
        at = position
        while not isinstance(op, logical.Read):
            assert isinstance(op, logical.Score | logical.Filter)
            if own or at != position:
                links.append(op if isinstance(op, logical.Filter) else self._scored(at, op, shards))
            at = op.input
            op = self.plan.ops[at]
        files = tuple(self.store.shard_result(self.ids[at], shard) for shard in shards)
        seed = self.recipe.seed
        return relations.documents(op, shards, files, tuple(reversed(links)), seed=seed, share=self.sampling)

    def _scored(self, position: int, op: logical.Score, shards: Sequence[Shard]) -> relations.Scored:
        files = tuple(self.store.shard_result(self.ids[position], shard) for shard in shards)
        return relations.Scored(op.call.name, op.call.type, files, cascade=cascade_of(op.call) is not None)

    def timed(self, op: logical.Op, work: float) -> _Timer:
        return _Timer(self, rate_key(op), work)


@dataclass(slots=True)
class _Timer:
    run: Run
    key: str
    work: float
    started: float = 0.0

    def __enter__(self) -> None:
        self.started = time.monotonic()

    def __exit__(self, *exception: object) -> None:
        self.run.seconds[self.key] += time.monotonic() - self.started
        self.run.work[self.key] += self.work


def _groups(plan: logical.LogicalPlan) -> list[list[int]]:
    """Positions of scores that follow one another directly."""
    groups: list[list[int]] = []
    for position, op in enumerate(plan.ops):
        if isinstance(op, logical.Score):
            if groups and groups[-1][-1] == op.input:
                groups[-1].append(position)
            else:
                groups.append([position])
    return groups


def scaled(op: logical.Sample, share: float) -> logical.Sample:
    """The sampling of a share of the documents: token counts shrink with it, shares stay."""

    def amount(bound: model.Amount | None) -> model.Amount | None:
        if bound is None or bound.kind == "share":
            return bound
        return bound.model_copy(update={"value": bound.value * share})

    quotas = tuple(q.model_copy(update={"least": amount(q.least), "most": amount(q.most)}) for q in op.quotas)
    tokens = max(1, round(op.tokens * share)) if op.tokens is not None else None
    # A domain too small for the sample to meet has not vanished.
    changed = {"quotas": quotas, "tokens": tokens, "already": round(op.already * share)}
    return op.model_copy(update={**changed, "allow_vanishing": True, "shortfall": "shrink"})
