"""Facts about a run's documents: read-only, from the stored results of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from recipec.inputs import documents
from recipec.inputs.facts import facts
from recipec.inputs.unchanged import Watch
from recipec.ir import logical, model
from recipec.ir.execution import Shard, SideFile
from recipec.ir.task import Documents, Link, ReadTask, Scored, ScoreTask
from recipec.places.state import Store
from recipec.planning.fingerprints import Reads
from recipec.planning.scheduler import Observed, source_of
from recipec.progress import Progress, silent
from recipec.scoring.by_model import Scorer, cascade_of, wanted


@dataclass(frozen=True, slots=True)
class Pool:
    """The documents of a plan's shards, as far as its steps have results.

    Attributes:
        ids: the identity of each operation (`planning.fingerprints`); `reads`: where the results of reads are.
        folder: the recipe's folder, against which the paths of shards are resolved.
        scorer: runs models.
        attributes: the files with attributes of which the plan uses columns.
        progress: receives the progress of long work.
        sampling: None, or the share of documents used for an estimate.
        watch: the files that are read.
    """

    connection: DuckDBPyConnection
    recipe: model.Recipe
    plan: logical.LogicalPlan
    ids: tuple[str, ...]
    reads: Reads
    shards: tuple[Shard, ...]
    folder: Path
    store: Store
    scorer: Scorer
    attributes: tuple[SideFile, ...] = ()
    progress: Progress = silent
    sampling: float | None = None
    watch: Watch | None = None

    def check_unchanged(self) -> None:
        """Raises Failure if a shard has changed since the run began: nothing that was made of it stays stored."""
        changed = self.watch.changed() if self.watch is not None else ()
        if self.watch is not None and changed:
            self.store.forget_shards([file.key for file in changed if isinstance(file, Shard)], self.ids)
            self.watch.check()

    @property
    def rows(self) -> int:
        """The number of rows of all shards."""
        return sum(shard.rows for shard in self.shards)

    def shards_of(self, position: int) -> tuple[Shard, ...]:
        """The shards of the source whose chain contains a step."""
        name = source_of(self.plan, position).source.name
        return tuple(shard for shard in self.shards if shard.source == name)

    def source(self, shard: Shard) -> model.Source:
        """The source that a shard belongs to."""
        return next(source for source in self.recipe.sources if source.name == shard.source)

    def is_by_model(self, position: int) -> bool:
        op = self.plan.ops[position]
        return isinstance(op, logical.Score) and wanted(op.call) is not None

    def scores(self, positions: Sequence[int]) -> list[logical.Score]:
        return [op for p in positions if isinstance(op := self.plan.ops[p], logical.Score)]

    def groups(self) -> list[list[int]]:
        """The positions of consecutive scores, which share a scan."""
        groups: list[list[int]] = []
        for position, op in enumerate(self.plan.ops):
            if isinstance(op, logical.Score):
                if groups and groups[-1][-1] == op.input:
                    groups[-1].append(position)
                else:
                    groups.append([position])
        return groups

    def missing(self, positions: Sequence[int]) -> list[tuple[Shard, list[int]]]:
        """The shards for which some scores of a group have no result, with those scores."""
        if not positions:
            return []
        shards = self.shards_of(positions[0])
        lacking = {p: {shard.path for shard in self.store.missing(self.ids[p], shards)} for p in positions}
        found = [(shard, [p for p in positions if shard.path in lacking[p]]) for shard in shards]
        return [(shard, mine) for shard, mine in found if mine]

    def read_tasks(self, position: int) -> list[ReadTask]:
        """The remaining read tasks of a source: one per shard without a result that is not read directly."""
        op = self.plan.ops[position]
        assert isinstance(op, logical.Read)
        read, id_ = facts(op).read, self.reads.ids[position]
        return [
            ReadTask(op=read, shard=shard, results=(self.store.shard_name(id_, shard),))
            for shard in self.store.missing(id_, self.shards_of(position))
            if (shard.source, shard.path) not in self.reads.direct
        ]

    def score_tasks(self, positions: Sequence[int]) -> list[ScoreTask]:
        """The remaining tasks of a group of text scores: one per shard without all results."""
        return [
            ScoreTask(
                ops=tuple(self.scores(mine)),
                shard=shard,
                input=self.documents(mine[0], (shard,)),
                results=tuple(self.store.shard_name(self.ids[p], shard) for p in mine),
            )
            for shard, mine in self.missing(positions)
        ]

    def documents(self, position: int, shards: Sequence[Shard], own: bool = False) -> Documents:
        """The documents of some shards before the step at `position` (with `own`: after it)."""
        links: list[Link] = []
        op = self.plan.ops[position]
        at = position
        while not isinstance(op, logical.Read):
            assert isinstance(op, logical.Score | logical.Filter)
            if own or at != position:
                links.append(op if isinstance(op, logical.Filter) else self._scored(at, op, shards))
            at = op.input
            op = self.plan.ops[at]
        return Documents(
            read=op,
            shards=tuple(shards),
            files=tuple(self._read_name(at, shard) for shard in shards),
            starts=tuple(self.reads.starts[shard.source, shard.path] for shard in shards),
            links=tuple(reversed(links)),
            seed=self.recipe.seed,
            share=self.sampling,
        )

    def _read_name(self, position: int, shard: Shard) -> str:
        """The name of the result of a read; "" if the shard is read directly."""
        direct = (shard.source, shard.path) in self.reads.direct
        return "" if direct else self.store.shard_name(self.reads.ids[position], shard)

    def _scored(self, position: int, op: logical.Score, shards: Sequence[Shard]) -> Scored:
        files = tuple(self.store.shard_name(self.ids[position], shard) for shard in shards)
        return Scored(name=op.call.name, type=op.call.type, files=files, cascade=cascade_of(op.call) is not None)

    def before(self, position: int, shard: Shard) -> str:
        """A table expression of the documents of a shard before the step at `position`."""
        return documents.documents(self.documents(position, (shard,)), self.store.root, self.folder)

    def after(self, position: int, shards: Sequence[Shard]) -> str:
        """A table expression of the documents of some shards after the step at `position`."""
        return documents.documents(self.documents(position, shards, own=True), self.store.root, self.folder)

    def rejections(self, position: int, shards: Sequence[Shard]) -> tuple[str, tuple[str, ...]] | None:
        """SQL of the documents that clauses reject up to the step at `position`: see `inputs.documents.rejections`."""
        return documents.rejections(self.documents(position, shards, own=True), self.store.root, self.folder)

    def survivors(self, position: int, shard: Shard) -> str:
        """A table expression of the `row`s of a shard that the step at `position` processes."""
        return documents.survivors(self.documents(position, (shard,)), self.store.root, self.folder)

    def ends(self) -> list[tuple[Shard, int, bool]]:
        """For each shard, the step up to which its documents are filtered without a model (True: inclusive)."""
        found = []
        for end in next(op for op in self.plan.ops if isinstance(op, logical.Gather)).inputs:
            first, at = None, end
            while not isinstance(op := self.plan.ops[at], logical.Read):
                assert isinstance(op, logical.Score | logical.Filter)
                first = at if self.is_by_model(at) else first
                at = op.input
            found += [(shard, end if first is None else first, first is None) for shard in self.shards_of(end)]
        return found

    def unmodelled(self) -> list[tuple[Shard, str]]:
        """For each shard, a table expression of its documents after the filters that need no model, with `rejected_by`
        set for those that they reject."""
        return [
            (shard, documents.documents(self.documents(position, (shard,), own=own), self.store.root, self.folder))
            for shard, position, own in self.ends()
        ]

    def count(self, position: int, shard: Shard) -> int:
        """The number of a shard's documents that a score processes: all, until the filters before it are known."""
        if not self._is_known(position, shard):
            return shard.rows
        query = f"SELECT count(*) FROM {self.survivors(position, shard)}"
        return int(self.connection.execute(query).fetchall()[0][0])

    def by_model(self) -> tuple[dict[int, int], dict[int, Observed]]:
        """For each model score, the number of texts still to process, and the facts about its features so far."""
        documents: dict[int, int] = {}
        observed: dict[int, Observed] = {}
        for group in self.groups():
            positions = [p for p in group if self.is_by_model(p)]
            for position, op in zip(positions, self.scores(positions), strict=True):
                total, exact = 0, True
                for shard, _ in self.missing([position]):
                    survivors = self.survivors(positions[0], shard) if self._is_known(positions[0], shard) else None
                    total += shard.rows if survivors is None else self.scorer.missing([op], shard, survivors)
                    exact &= survivors is not None
                size, device = self.scorer.observed(op)
                documents[position], observed[position] = total, Observed(size, device, exact)
        return documents, observed

    def _is_known(self, position: int, shard: Shard) -> bool:
        """Whether all scores before a step exist for a shard, so that its documents are known."""
        op = self.plan.ops[position]
        while not isinstance(op, logical.Read):
            assert isinstance(op, logical.Score | logical.Filter)
            position, op = op.input, self.plan.ops[op.input]
            if isinstance(op, logical.Score) and self.store.missing(self.ids[position], (shard,)):
                return False
        return True
