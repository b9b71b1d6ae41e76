"""The candidates of a run, all its documents with their facts and scores, and the columns made of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb

from recipec.database.disk import limit_reached
from recipec.database.sql import file, literal
from recipec.execution.pool import Pool
from recipec.execution.timings import Rates
from recipec.inputs import catalog
from recipec.inputs import shards as files
from recipec.ir import logical
from recipec.ir.execution import Shard
from recipec.places import sealed
from recipec.planning.fingerprints import columns_id, pool_id
from recipec.planning.scheduler import source_of
from recipec.selection import gathering, passing, storing
from recipec.selection.columns import Columns, Layout, opened


@dataclass(frozen=True)
class Candidates:
    """The documents of a pool, readable or not, whether clauses reject them or not.

    Nothing of them is stored but the columns that a selection needs, unless duplicates must be resolved: then they are
    gathered in a table.
    """

    pool: Pool
    rates: Rates = field(default_factory=Rates)

    @property
    def op(self) -> logical.Gather:
        return self.pool.plan.one(logical.Gather)[1]

    @property
    def gathered(self) -> Path:
        """The stored result of `Gather`, where there are duplicates to resolve."""
        position, _ = self.pool.plan.one(logical.Gather)
        return self.pool.store.result(self.pool.ids[position])

    @cached_property
    def readable_id(self) -> str:
        """The identity of the columns of the readable documents."""
        pool = self.pool
        sample = "" if pool.sampling is None else repr(pool.sampling)
        return columns_id(pool.plan, pool.ids, pool.reads.ids, pool.shards, sample)

    @cached_property
    def passing_id(self) -> str:
        """The identity of what the clauses leave of them."""
        return pool_id(self.pool.plan, self.pool.ids, self.readable_id)

    def relation(self) -> str:
        """A table expression of the candidates (see `logical.Gather`)."""
        if self.op.duplicates:
            with self._forgetting():
                sealed.check([self.gathered])
            return f"read_parquet({file(self.gathered)}, hive_partitioning = false)"
        return gathering.relation(self.op, self._parts(self.pool.shards))

    def columns(self) -> Columns:
        """The pool as columns, from the stored ones if there are.

        Raises:
            Failure: an id appears twice in a source, or a value of a shard cannot be computed.
        """
        pool = self.pool
        position, _ = pool.plan.one(logical.Gather)
        if all(map(pool.store.has_result, (pool.ids[position], self.readable_id, self.passing_id))):
            with self._forgetting():
                return passing.opened(self._stored(), self._layout(self.passing_id), self._folder(self.passing_id))
        started = time.monotonic()
        with self.blaming():
            self._gather()
            pool.progress("rank", 0, pool.rows, "documents")
            columns, made = self._readable()
            found = self._passing(columns)
        if made:
            self.rates.add(time.monotonic() - started, [(op, float(pool.rows)) for op in made])
        pool.store.keep_facts(pool.ids[position], {})
        return found

    def domains(self) -> set[str]:
        """The domains of all that can be read, whatever the clauses leave; the columns must exist."""
        return {domain.name for domain in self._layout(self.readable_id).domains}

    def _gather(self) -> None:
        """Combines all sources, if there are duplicates to resolve and no result is stored."""
        pool = self.pool
        if not self.op.duplicates or sealed.is_stored(self.gathered):
            return
        pool.progress("gather", 0, pool.rows, "documents")
        with self.rates.timed(pool.rows, self.op):
            gathering.gather(pool.connection, self.op, self._parts(pool.shards), self.gathered)

    def _readable(self) -> tuple[Columns, list[logical.Op]]:
        """The columns of all readable documents, and the operations that ran for them: none if they are stored."""
        pool = self.pool
        if pool.store.has_result(self.readable_id):
            with self._forgetting():
                return self._stored(), []
        _, rank = pool.plan.one(logical.Rank)
        folder = self._folder(self.readable_id)
        layout, sharing = storing.store(pool.connection, rank, self.relation(), list(self._pieces()), pool.rows, folder)
        if len(sharing):
            numbers = ", ".join(map(str, sharing.tolist()))
            for position, op in self._reads():
                some = f"(SELECT * FROM {pool.after(position, pool.shards_of(position))} WHERE number IN ({numbers}))"
                catalog.check_duplicates(pool.connection, op.source, some)
        pool.check_unchanged()
        pool.store.keep_facts(self.readable_id, layout.model_dump(mode="json"))
        sources = {source for source, _ in pool.reads.direct}
        reads = [op for _, op in self._reads() if op.source.name in sources]
        return self._stored(), [*reads, *([] if self.op.duplicates else [self.op]), rank]

    def _passing(self, columns: Columns) -> Columns:
        """What the clauses leave of the readable documents."""
        pool = self.pool
        _, rank = pool.plan.one(logical.Rank)
        queries, texts = self._rejections()
        rejected = passing.rejections(pool.connection, queries, columns, len(texts))
        found = passing.store(pool.connection, rank, columns, rejected, texts, self._folder(self.passing_id))
        pool.check_unchanged()
        pool.store.keep_facts(self.passing_id, found.layout.model_dump(mode="json"))
        return found

    def _rejections(self) -> tuple[list[str], list[str]]:
        """SQL of the `number` and `clause` of the documents that clauses reject, and the texts of all clauses."""
        pool, op = self.pool, self.op
        found = [one for end in op.inputs if (one := pool.rejections(end, pool.shards_of(end))) is not None]
        texts = sorted({text for _, mine in found for text in mine} | {clause.text for clause in op.duplicates})
        if op.duplicates:
            clause = f"list_position([{', '.join(map(literal, texts))}], rejected_by)"
            return [f"SELECT number, {clause} AS clause FROM {self.relation()} WHERE rejected_by IS NOT NULL"], texts
        queries = []
        for query, mine in found:
            places = ", ".join(str(texts.index(text) + 1) for text in mine)
            queries.append(f"SELECT number, ([{places}])[clause] AS clause FROM ({query})")
        return queries, texts

    def _pieces(self) -> Iterator[str]:
        """Table expressions of the candidates, of so many at a time that their columns fit into memory."""
        rows = storing.ROWS
        if self.op.duplicates:
            table = f"read_parquet({file(self.gathered)}, hive_partitioning = false, file_row_number = true)"
            for start in range(0, self.pool.rows, rows):
                yield f"(SELECT * FROM {table} WHERE file_row_number >= {start} AND file_row_number < {start + rows})"
            return
        for group in _groups(self.pool.shards, rows):
            whole = gathering.relation(self.op, self._parts(group))
            for start in range(0, max(shard.rows for shard in group), rows):
                yield f"(SELECT * FROM {whole} WHERE row >= {start} AND row < {start + rows})"

    def _parts(self, shards: Sequence[Shard]) -> list[gathering.GatherInput]:
        """The inputs of the gather that have some of the shards."""
        pool = self.pool
        found = []
        for index, end in enumerate(self.op.inputs):
            name = source_of(pool.plan, end).source.name
            if mine := [shard for shard in shards if shard.source == name]:
                found.append(gathering.GatherInput(index, name, pool.after(end, mine)))
        return found

    @contextlib.contextmanager
    def blaming(self) -> Iterator[None]:
        """Raises an error of a query inside the block as a failure of the first shard with which it comes again: what a
        clause computes of a value may overflow."""
        try:
            yield
        except duckdb.Error as error:
            if (reached := limit_reached(error, str(self.pool.store.root))) is not None:
                raise reached from None
            for end in self.op.inputs:
                for shard in self.pool.shards_of(end):
                    self._try(shard)
            raise

    def _try(self, shard: Shard) -> None:
        """Raises Failure if the candidates of a shard cannot be computed."""
        pool = self.pool
        try:
            whole = gathering.relation(self.op, self._parts([shard]))
            pool.connection.execute(f"SELECT sum(hash(columns(*))) FROM {whole}").fetchall()
        except duckdb.Error as error:
            raise files.unreadable(files.path(shard, pool.folder), error) from None

    def _reads(self) -> Iterator[tuple[int, logical.Read]]:
        for position, op in enumerate(self.pool.plan.ops):
            if isinstance(op, logical.Read):
                yield position, op

    @contextlib.contextmanager
    def _forgetting(self) -> Iterator[None]:
        """Makes steps incomplete whose columns are damaged, so that the plan that is then made anew says that they run."""
        try:
            yield
        except sealed.Damaged:
            position, _ = self.pool.plan.one(logical.Gather)
            for one in (self.readable_id, self.passing_id, self.pool.ids[position]):
                self.pool.store.forget(one)
            raise

    def _stored(self) -> Columns:
        return opened(self._folder(self.readable_id), self._layout(self.readable_id))

    def _layout(self, name: str) -> Layout:
        return self.pool.store.facts(name, Layout)

    def _folder(self, name: str) -> Path:
        return self.pool.store.result(name).parent


def _groups(shards: Sequence[Shard], rows: int) -> Iterator[list[Shard]]:
    """The shards in order, in groups of so many rows at most, or of one."""
    group: list[Shard] = []
    size = 0
    for shard in shards:
        if group and size + shard.rows > rows:
            yield group
            group, size = [], 0
        group.append(shard)
        size += shard.rows
    if group:
        yield group
