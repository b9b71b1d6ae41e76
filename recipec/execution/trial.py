"""Determines on the sample how near the edge of the selection a document must be to be scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipec.arrays import Array
from recipec.database.sql import ident, literal
from recipec.ir import logical, model
from recipec.ir.selection import Cascade
from recipec.selection import ranking, rules
from recipec.selection.gathering import score_column

if TYPE_CHECKING:
    from recipec.execution.pool import Pool


BANDS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.3, 0.35, 0.4, 0.5)
"""The candidate distances of a predicted rank from the edge within which documents are scored, tried in order."""

WORTH = 0.8
"""A cascade that would have to score more than this share of the pool scores all of it."""

Z = 1.959963984540054
"""The normal quantile for 95% intervals."""


def edge_of(pool: Pool, domain: str = "domain") -> str:
    """SQL of the rank at which the selection ends, in a domain."""
    return rules.threshold(pool.plan.sample).replace("CASE domain", f"CASE {domain}")


@dataclass(frozen=True, slots=True)
class Trial:
    """The sample with exact and predicted scores: the tables `scored_sample` and `cascade_fitted`, and `held.parquet`.

    Attributes:
        names: the names of the calls; columns are numbered by them.
        recall: the requested recall.
    """

    pool: Pool
    names: list[str]
    recall: float

    def tried(self, ranked: str, documents: int, sample: int) -> tuple[float | None, Cascade]:
        """The narrowest band that reaches the recall, or None, and the measurements."""
        criteria = self._criteria()
        # As later, the rank among the predictions of the whole pool decides which documents are near.
        exact = ", ".join(f"e.score_{n} AS {ident(score_column(name))}" for name, n in criteria)
        guess = ", ".join(f"h.value_{n} AS {ident(f'guess {name}')}" for name, n in criteria)
        held = self.pool.store.root / "tmp" / "held.parquet"
        self._sql(
            f"CREATE OR REPLACE TEMP TABLE trial AS SELECT r.* EXCLUDE (merged, rank, draw, number) REPLACE ({exact}), {guess}, "
            f"rank AS guessed, {edge_of(self.pool, 'r.domain')} AS edge, f.number AS number FROM {ranked} AS r "
            f"JOIN scored_sample AS e USING (source, shard, row) JOIN cascade_fitted AS f USING (source, shard, row) "
            f"JOIN read_parquet({literal(str(held))}) AS h ON h.row = f.number WHERE {ranking.POOL}"
        )
        truth, edge = self._ranks("trial")
        found = self.pool.connection.execute("SELECT guessed, tokens, domain FROM trial ORDER BY number").fetchnumpy()
        guessed, tokens = np.asarray(found["guessed"], float), np.asarray(found["tokens"], float)
        whole = isinstance(self.pool.plan.sample.sample, model.Top)
        groups = np.zeros(len(truth), int) if whole else np.unique(found["domain"].astype(str), return_inverse=True)[1]
        selected = truth <= edge
        report = Cascade(calls=tuple(self.names), asked=self.recall, pool=documents, sample=sample)
        for band in BANDS:
            near = np.abs(guessed - edge) <= band
            if near.mean() + sample / documents > WORTH:
                break
            ranks = self._kept(near)
            hits, total = int(((ranks <= edge) & selected).sum()), int(selected.sum())
            low, high = interval(truth, ranks, edge, tokens, groups)
            # If the sample loses nothing, no resample does, so the bootstrap interval would be too narrow.
            low = min(low, wilson(hits, total)[0])
            report = report.model_copy(update={"recall": hits / max(total, 1), "low": low, "high": high})
            if low >= self.recall:
                return band, report
        return None, report

    def _ranks(self, table: str) -> tuple[Array, Array]:
        """The ranks and edges of a trial's documents, in the order of their numbers."""
        op = next(op for op in self.pool.plan.ops if isinstance(op, logical.Rank))
        stats = ranking.statistics(self.pool.connection, table, [name for name, _ in op.criteria])
        ranking.rank_pool(self.pool.connection, op, table, stats)
        found = self.pool.connection.execute(
            f"SELECT p.rank, t.edge FROM ranked_pool AS p JOIN {table} AS t ON p.row_number = t.number "
            f"ORDER BY t.number"
        ).fetchnumpy()
        self._sql("DROP TABLE ranked_pool; DROP TYPE pool_domain")
        return np.asarray(found["rank"], float), np.asarray(found["edge"], float)

    def _kept(self, near: Array) -> Array:
        """The ranks when near documents have their exact scores and the others their predictions."""
        self.pool.connection.execute(
            "CREATE OR REPLACE TEMP TABLE near AS SELECT unnest($1 :: BOOLEAN[]) AS near, "
            "unnest((SELECT list(number ORDER BY number) FROM trial)) AS place",
            [near],
        )
        mixed = ", ".join(
            f"CASE WHEN near THEN {ident(score_column(name))} ELSE {ident(f'guess {name}')} END "
            f"AS {ident(score_column(name))}"
            for name, _ in self._criteria()
        )
        self._sql(
            f"CREATE OR REPLACE TEMP TABLE mixed AS SELECT * EXCLUDE (near, place) REPLACE ({mixed}) "
            f"FROM trial JOIN near ON place = number"
        )
        return self._ranks("mixed")[0]

    def _criteria(self) -> list[tuple[str, int]]:
        """The criteria that are cascaded scores, each with the number of its call."""
        found = []
        for criterion in self.pool.recipe.criteria:
            name = getattr(criterion.values[0], "name", "") if criterion.values else ""
            if name in self.names:
                found.append((criterion.name, self.names.index(name)))
        return found

    def _sql(self, query: str) -> None:
        self.pool.connection.execute(query)


RESAMPLES = 400


def interval(truth: Array, ranks: Array, edge: Array, tokens: Array, groups: Array) -> tuple[float, float]:
    """The 95% interval of the share of `truth <= edge` for which also `ranks <= edge`, by the bootstrap over documents.

    Ranks are shares of tokens, so a few long documents in or out of the sample shift all of them: a binomial interval
    ignores that and is too narrow by half.

    Args:
        truth, ranks, edge, tokens, groups: (n,); ranks are within a group, in which all documents have the same edge.
    """
    weights = np.random.default_rng(0).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), RESAMPLES)
    hits, total = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    for group in np.unique(groups):
        mine = groups == group
        drawn, size = weights[:, mine].astype(float), tokens[mine]
        share = size[truth[mine] <= edge[mine]].sum() / max(size.sum(), 1.0)
        inside = [_best(values[mine], drawn * size, share) for values in (truth, ranks)]
        hits += (drawn * (inside[0] & inside[1])).sum(axis=1)
        total += (drawn * inside[0]).sum(axis=1)
    found = hits / np.maximum(total, 1.0)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _best(values: Array, tokens: Array, share: float) -> Array:
    """(b, n) Whether documents are within a share of each resample's tokens (b, n), the lowest values first."""
    order = np.argsort(values, kind="stable")
    sums = tokens[:, order].cumsum(axis=1)
    found = np.empty(tokens.shape, bool)
    found[:, order] = sums <= share * np.maximum(sums[:, -1:], 1.0) * (1 + 1e-12)
    return found


def wilson(hits: int, total: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927); (0, 1) if `total` is 0."""
    if not total:
        return 0.0, 1.0
    share = hits / total
    center = (share + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z / (1 + Z * Z / total) * np.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    return float(center - half), float(min(1.0, center + half))
