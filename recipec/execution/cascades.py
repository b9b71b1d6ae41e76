"""Cascades: the model scores some documents, a predictor the rest, such that the selection stays nearly the same.

A keyed sample of the pool is scored exactly, and a cheap predictor is fitted to it. All documents are ranked by their
predictions as the recipe says. Documents whose predicted rank is near the edge of the selection are then also scored
exactly; how near is determined on the sample, where each document has an out-of-fold prediction. The guarantee is on
recall: the share of what exact scores would select that the cascade selects. If the sample cannot show it, everything
is scored.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recipec.database.sql import literal
from recipec.execution import trial
from recipec.execution.pool import Pool
from recipec.execution.trial import Trial, edge_of
from recipec.inputs import scans
from recipec.ir import logical
from recipec.ir.execution import Shard
from recipec.ir.selection import Cascade
from recipec.models import cache
from recipec.models.job import Fit, Predict
from recipec.places import digests, local, sealed
from recipec.planning.scheduler import source_of
from recipec.progress import counted
from recipec.scoring.by_model import Scorer, cascade_of, wanted
from recipec.selection import ranking

SHARE, LEAST, MOST = 0.1, 512, 8192
"""The sample size: a share of the pool, within bounds."""

SELECTED = 0.2
"""The assumed share of documents that are selected, for the sample size that can show a recall."""


def sample_of(pool: int, recall: float) -> int:
    """The number of documents of a pool to score for fitting a predictor.

    At least enough to show the recall: if half of what may be missed is missed, and a fifth of the documents are
    selected, the interval still reaches it.
    """
    kept = (1 + recall) / 2
    needed = trial.Z**2 * kept * (1 - kept) / ((1 - recall) / 2) ** 2 / SELECTED
    return min(pool, MOST, max(LEAST, round(pool * SHARE), round(needed)))


@dataclass(slots=True)
class Cascades:
    """All cascaded scores of a plan, over all its sources: they are decided together because they are ranked together.

    Attributes:
        positions: the positions of the `Score` operations.
        names: the names of their calls, sorted.
    """

    pool: Pool
    scorer: Scorer
    positions: list[int]
    names: list[str]

    @classmethod
    def of(cls, pool: Pool) -> Cascades | None:
        """The cascades of a run; None if it has none, or is an estimate, whose few documents are all scored."""
        positions = [p for p, op in enumerate(pool.plan.ops) if isinstance(op, logical.Score) and cascade_of(op.call)]
        if not positions or pool.sampling is not None:
            return None
        return cls(pool, pool.scorer, positions, sorted({op.call.name for op in pool.scores(positions)}))

    @property
    def recall(self) -> float:
        """The largest recall that any of the calls asks for."""
        return max(cascade_of(op.call) or 0.0 for op in self.pool.scores(self.positions))

    def missing(self) -> bool:
        """Whether any shard has no result yet."""
        return any(self.pool.store.missing(self.pool.ids[p], self.pool.shards_of(p)) for p in self.positions)

    def report(self) -> Cascade:
        """The result of the cascade, or what is known about it before it runs."""
        if self.missing():
            whole = sum(self.pool.count(mine[0], shard) for shard in self.pool.shards if (mine := self._mine(shard)))
            return self._report(whole, sample_of(whole, self.recall))
        try:
            return self.pool.store.facts(self.pool.ids[self.positions[0]], Cascade)
        except sealed.Damaged:
            # Results never exist without the report, and only the cascade itself can give it.
            for position in self.positions:
                local.remove_folder(self.pool.store.result(self.pool.ids[position]).parent)
            raise

    def score(self, ranked: Callable[[Pool], str]) -> None:
        """Writes the results of all cascaded scores, with `exact BOOLEAN` next to each value.

        Args:
            ranked: gathers and ranks the documents of another pool; returns the table expression of all candidates with
                `rank`.
        """
        whole, sample = self._choose()
        places = [(shard, self._mine(shard)) for shard in self.pool.shards]
        places = [(shard, mine) for shard, mine in places if mine]
        if sample >= trial.WORTH * whole:
            self._everything(places, whole, sample)
            return
        self._score_exactly(places, "cascade_sample", "scored_sample", sample)
        with self._drafts() as draft:
            self._predict(places, draft, whole)
            candidates = ranked(draft)
            band, report = Trial(self.pool, self.names, self.recall).tried(candidates, whole, sample)
            if band is None:
                self._everything(places, whole, sample, report)
                return
            self._sql(
                f"CREATE OR REPLACE TEMP TABLE cascade_band AS SELECT source, shard, row FROM {candidates} "
                f"WHERE {ranking.POOL} AND abs(rank - {edge_of(self.pool)}) <= {literal(band)} "
                f"UNION SELECT source, shard, row FROM cascade_sample"
            )
            count = self._count("cascade_band")
            self._score_exactly(places, "cascade_band", "scored_band", count)
            report = report.model_copy(update={"exact": count})
            self._finish(places, draft, report)

    def _choose(self) -> tuple[int, int]:
        """Creates `cascade_pool` and `cascade_sample` (source, shard, row, key); returns their sizes."""
        parts = []
        for shard in self.pool.shards:
            mine = self._mine(shard)
            if mine:
                seed = literal(f"cascade\x1f{self.pool.recipe.seed}\x1f{shard.source}\x1f")
                parts.append(
                    f"SELECT {literal(shard.source)} AS source, {literal(shard.path)} AS shard, row, "
                    f"md5_number_lower({seed} || doc_id) AS key FROM {self.pool.before(mine[0], shard)} "
                    f"WHERE bad IS NULL AND rejected_by IS NULL"
                )
        empty = "SELECT '' AS source, '' AS shard, 0 :: BIGINT AS row, 0 :: UBIGINT AS key WHERE false"
        self._sql(f"CREATE OR REPLACE TEMP TABLE cascade_pool AS {' UNION ALL '.join(parts) or empty}")
        whole = self._count("cascade_pool")
        size = sample_of(whole, self.recall)
        self._sql(
            f"CREATE OR REPLACE TEMP TABLE cascade_sample AS SELECT *, row_number() OVER (ORDER BY key, source, shard, row) "
            f"AS place FROM cascade_pool ORDER BY key, source, shard, row LIMIT {size}"
        )
        return whole, size

    def _report(self, whole: int, sample: int) -> Cascade:
        return Cascade(calls=tuple(self.names), asked=self.recall, pool=whole, sample=sample)

    def _mine(self, shard: Shard) -> list[int]:
        """The cascaded scores of a shard's source, in the order of `names`."""
        mine = [p for p in self.positions if source_of(self.pool.plan, p).source.name == shard.source]
        return sorted(mine, key=lambda p: self.names.index(self.pool.scores([p])[0].call.name))

    def _score_exactly(self, places: Sequence[tuple[Shard, list[int]]], documents: str, table: str, total: int) -> None:
        """Creates `table` (source, shard, row, score_<n>) of documents scored by the model; null without a score."""
        columns = ", ".join(f"score_{n} DOUBLE" for n in range(len(self.names)))
        self._sql(f"CREATE OR REPLACE TEMP TABLE {table} (source VARCHAR, shard VARCHAR, row BIGINT, {columns})")
        progress, done = counted(self.pool.progress, "score a cascade's documents", total)
        for shard, mine in places:
            rows = self._rows(documents, shard)
            found, values = self.scorer.values(self.pool.scores(mine), shard, rows, done)
            names = ", ".join(f"unnest(${n + 2} :: DOUBLE[]) AS v{n}" for n in range(len(mine)))
            known = ", ".join(f"CASE WHEN NOT isnan(v{n}) THEN v{n} END" for n in range(len(mine)))
            self.pool.connection.execute(
                f"INSERT INTO {table} SELECT {literal(shard.source)}, {literal(shard.path)}, row, {known} "
                f"FROM (SELECT unnest($1 :: BIGINT[]) AS row, {names})",
                [found, *values],
            )
        progress()

    def _predict(self, places: Sequence[tuple[Shard, list[int]]], draft: Pool, whole: int) -> None:
        """Fits on the sample and writes drafts of all scores, which are predictions: for the sample itself out-of-fold,
        so that what is measured on the sample applies to the rest."""
        folder = self.scorer.root / "tmp"
        self._write_sample(places, folder / "sample.parquet")
        one = wanted(self.pool.scores(self.positions)[0].call)
        assert one is not None
        model = str(cache.find(one.model, self.pool.folder).folder)
        fit = Fit(
            model=model,
            length=one.length,
            texts=str(folder / "sample.parquet"),
            predictor=str(folder / "predictor.npz"),
            held=str(folder / "held.parquet"),
        )
        self.scorer.client.run(fit, lambda _: None)
        values = ", ".join(f"h.value_{number} AS score_{number}" for number in range(len(self.names)))
        self._sql(
            f"CREATE OR REPLACE TEMP TABLE held_sample AS SELECT f.source, f.shard, f.row, {values} "
            f"FROM cascade_fitted AS f JOIN read_parquet({literal(fit.held)}) AS h ON h.row = f.number"
        )
        progress, done = counted(self.pool.progress, "predict scores", whole)
        for shard, mine in places:
            self._write_texts(self._rows("cascade_pool", shard), shard, folder / "texts.parquet")
            out = folder / "predicted.parquet"
            predict = Predict(
                model=model,
                length=one.length,
                texts=str(folder / "texts.parquet"),
                predictor=fit.predictor,
                out=str(out),
            )
            self.scorer.client.run(predict, done)
            for number, position in enumerate(mine):
                predicted = f"SELECT row, value_{number} AS value FROM read_parquet({literal(str(out))})"
                self._write_scores(
                    draft.store.shard_result(draft.ids[position], shard), shard, "held_sample", number, predicted
                )
        progress()

    def _write_scores(self, path: Path, shard: Shard, exact: str, number: int, predicted: str) -> None:
        """Writes one score of a shard: exact if the table `exact` has it, else from `predicted` (row, value)."""
        mine = f"source = {literal(shard.source)} AND shard = {literal(shard.path)}"
        with sealed.replacing(path) as temporary:
            self._sql(
                f"COPY (SELECT row, CASE WHEN e.shard IS NULL THEN p.value ELSE e.score_{number} END AS value, "
                f"e.shard IS NOT NULL AS exact FROM (SELECT * FROM {exact} WHERE {mine}) AS e "
                f"FULL JOIN ({predicted}) AS p USING (row) ORDER BY row) "
                f"TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
            )

    def _everything(
        self, places: Sequence[tuple[Shard, list[int]]], whole: int, sample: int, report: Cascade | None = None
    ) -> None:
        """Scores the whole pool, and reports that the cascade could not guarantee the recall."""
        self._score_exactly(places, "cascade_pool", "scored_band", whole)
        report = report or self._report(whole, sample)
        self._finish(places, None, report.model_copy(update={"exact": whole, "promised": False}))

    def _finish(self, places: Sequence[tuple[Shard, list[int]]], draft: Pool | None, report: Cascade) -> None:
        """Writes the report first and then the results, so that results never exist without it."""
        for position in self.positions:
            self.pool.store.keep_facts(self.pool.ids[position], report.model_dump(mode="json"))
        for shard, mine in places:
            for number, position in enumerate(mine):
                # Without a draft, all documents are in the table of exact scores.
                predicted = "SELECT NULL :: BIGINT AS row, NULL :: DOUBLE AS value WHERE false"
                if draft is not None:
                    path = draft.store.shard_result(draft.ids[position], shard)
                    sealed.check([path])
                    predicted = f"SELECT row, value FROM read_parquet({literal(str(path))})"
                self._write_scores(
                    self.pool.store.shard_result(self.pool.ids[position], shard),
                    shard,
                    "scored_band",
                    number,
                    predicted,
                )

    def _write_sample(self, places: Sequence[tuple[Shard, list[int]]], path: Path) -> None:
        """Writes the texts of the sample with their scores, in the order of the hash; those without a score are left
        out."""
        scores = ", ".join(f"e.score_{n}" for n in range(len(self.names)))
        known = " AND ".join(f"e.score_{n} IS NOT NULL" for n in range(len(self.names)))
        self._sql(
            f"CREATE OR REPLACE TEMP TABLE cascade_fitted AS SELECT s.source, s.shard, s.row, {scores}, "
            f"row_number() OVER (ORDER BY s.place) - 1 AS number "
            f"FROM cascade_sample AS s JOIN scored_sample AS e USING (source, shard, row) WHERE {known}"
        )
        parts = []
        for shard, _ in places:
            scan = scans.texts(self.pool.source(shard), shard, self.pool.folder)
            parts.append(
                f"SELECT f.number AS place, {self._prefix()} AS text, {scores.replace('e.', 'f.')} FROM {scan} AS t "
                f"JOIN cascade_fitted AS f ON f.row = t.__row AND f.source = {literal(shard.source)} "
                f"AND f.shard = {literal(shard.path)}"
            )
        with local.replacing(path) as temporary:
            self._sql(f"COPY ({' UNION ALL '.join(parts)}) TO {literal(str(temporary))} (FORMAT parquet)")

    def _write_texts(self, rows: str, shard: Shard, path: Path) -> None:
        scan = scans.texts(self.pool.source(shard), shard, self.pool.folder)
        with local.replacing(path) as temporary:
            self._sql(
                f"COPY (SELECT rows.row, {self._prefix()} AS text FROM {scan} AS t JOIN {rows} AS rows "
                f"ON rows.row = t.__row) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
            )

    def _prefix(self) -> str:
        one = wanted(self.pool.scores(self.positions)[0].call)
        assert one is not None
        return f"substr(t.text, 1, {one.characters})"

    def _rows(self, table: str, shard: Shard) -> str:
        mine = f"source = {literal(shard.source)} AND shard = {literal(shard.path)}"
        return f"(SELECT row FROM {table} WHERE {mine})"

    def _count(self, table: str) -> int:
        return int(self.pool.connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    def _sql(self, query: str) -> None:
        self.pool.connection.execute(query)

    def _drafts(self) -> _Drafts:
        kinds = ("gather", "rank")
        mine = {*self.positions, *(p for p, op in enumerate(self.pool.plan.ops) if op.kind in kinds)}
        ids = tuple(
            digests.sha256_text(f"draft of {one}")[:32] if p in mine else one for p, one in enumerate(self.pool.ids)
        )
        return _Drafts(replace(self.pool, ids=ids), [ids[p] for p in sorted(mine)])


@dataclass(slots=True)
class _Drafts:
    """Results used only to find the band: none exist before the block, none remain after it."""

    pool: Pool
    ids: list[str]

    def __enter__(self) -> Pool:
        self._clear()
        return self.pool

    def __exit__(self, *exception: object) -> None:
        self._clear()

    def _clear(self) -> None:
        for one in self.ids:
            shutil.rmtree(self.pool.store.result(one).parent, ignore_errors=True)
