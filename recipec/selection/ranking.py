"""Op `Rank`: criteria with signs such that smaller is better, normalised, merged, and ranked within the domain.

QuaDMix (arXiv 2504.16511) eq. 1 and 2, as specified in docs/selection.md: statistics over the filtered pool, token
weights in the rank, and ties share one rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from recipec.database.sql import SEPARATOR, ident, literal
from recipec.ir import logical
from recipec.ir.selection import Stats
from recipec.selection.gathering import score_column
from recipec.selection.heads import SPREAD
from recipec.selection.statistics import halved, stats_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Direction = Literal["higher", "lower"]

POOL = "bad IS NULL AND rejected_by IS NULL"


def rank_pool(connection: DuckDBPyConnection, op: logical.Rank, table: str, stats: tuple[Stats, ...]) -> None:
    """Creates the temporary table `ranked_pool` (row_number, domain, merged, rank) of the documents in the pool.

    Args:
        table: the candidates.
    """
    pool = f"{table} WHERE {POOL} AND {missing(op)} IS NULL"
    totals = connection.execute(f"SELECT domain, sum(tokens) FROM {pool} GROUP BY domain ORDER BY domain").fetchall()
    # Domains are an enumeration here, so that the sort compares numbers.
    words = ", ".join(literal(domain) for domain, _ in totals) or "''"
    connection.execute(f"DROP TYPE IF EXISTS pool_domain; CREATE TYPE pool_domain AS ENUM (SELECT unnest([{words}]))")
    if op.top is None:
        numbers = ", ".join(str(total) for _, total in totals) or "0"
        total = f"([{numbers}] :: DOUBLE[])[enum_code(domain) + 1]"
    else:
        total = f"{sum(total for _, total in totals)} :: DOUBLE"
    scores = "".join(f", {ident(score_column(name))}" for name, _ in op.criteria)
    keys = ", source, doc_id" if op.top is not None or op.quality.ties == "split" else ""
    narrow = f"SELECT number AS row_number, tokens, domain :: pool_domain AS domain{keys}{scores} FROM {pool}"
    ranked = f"SELECT row_number, domain, merged, rank FROM ({_ranked(op, narrow, stats, total)})"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE ranked_pool AS {ranked}")


def reranked(op: logical.Rank, ledger: str, stats: tuple[Stats, ...]) -> str:
    """SQL of a ledger's documents in the pool, with `merged` and `rank` as another `Rank` would compute them."""
    pool = f"SELECT * EXCLUDE (merged, rank) FROM {ledger} WHERE {POOL}"
    return _ranked(op, pool, stats, "CAST(sum(tokens) OVER (PARTITION BY domain) AS DOUBLE)")


def draw(seed: int) -> str:
    """SQL of u_i in (0, 1): the keyed hash of a document that determines its draws."""
    return f"((CAST({draw_bits(seed)} AS DOUBLE) + 0.5) / 4503599627370496.0)"


def draw_bits(seed: int) -> str:
    """SQL of the 52 bits of a document's draw."""
    key = f"{literal(f'{seed}{SEPARATOR}')} || source || {literal(SEPARATOR)} || doc_id"
    # The upper 52 bits of `md5_number_lower`, which takes five times as long.
    return f"(md5_number({key}) >> 76)"


def statistics(connection: DuckDBPyConnection, table: str, criteria: Sequence[str]) -> tuple[Stats, ...]:
    """Count, mean, standard deviation and range of each criterion over the pool, in two scans.

    Sums are computed in integers, of distances from the minimum, so that they do not depend on the order of rows or the
    number of threads, and no precision is lost if the mean is far from 0."""
    columns = [ident(score_column(name)) for name in criteria]
    ranges = _row(connection, table, [f"[count({c}), count(*) - count({c}), min({c}), max({c})]" for c in columns])
    sums = []
    for c, (_, _, low, high) in zip(columns, ranges, strict=True):
        half, fine = halved(low or 0.0, high or 0.0)
        distance = f"({c} * {half} - {literal((low or 0.0) * half)})"
        fixed = f"CAST(CAST(round({distance} * {fine!r}) AS BIGINT) AS HUGEINT)"
        sums += [f"sum({fixed})", f"sum({fixed} * {fixed})"]
    found = _row(connection, table, sums)
    return tuple(
        stats_of(name, range_, found[2 * number], found[2 * number + 1])
        for number, (name, range_) in enumerate(zip(criteria, ranges, strict=True))
    )


def _row(connection: DuckDBPyConnection, table: str, values: Sequence[str]) -> tuple[Any, ...]:
    """The row of aggregates over the pool."""
    if not values:
        return ()
    found: tuple[Any, ...] = connection.execute(f"SELECT {', '.join(values)} FROM {table} WHERE {POOL}").fetchall()[0]
    return found


def weight(op: logical.Rank, criterion: str) -> str:
    """SQL of the weight of a criterion in a row's domain."""
    own = [block for block in op.quality.weights if block.domain is not None]
    general = next((dict(block.weights) for block in op.quality.weights if block.domain is None), {})
    cases = "".join(
        f" WHEN {literal(block.domain or '')} THEN {literal(float(dict(block.weights).get(criterion, 0.0)))}"
        for block in own
    )
    rest = literal(float(general.get(criterion, 0.0)))
    return f"(CASE domain{cases} ELSE {rest} END)" if cases else rest


def _ranked(op: logical.Rank, pool: str, stats: tuple[Stats, ...], total: str) -> str:
    """SQL of a pool's documents with `merged` and `rank`; `total` is SQL of the tokens that ranks are shares of."""
    known = {one.criterion: one for one in stats}
    merged = _merged(op, known)
    if op.quality.normalize == "rank" and merged is not None:
        pool = f"SELECT *, {', '.join(_share_columns(op, known))} FROM ({pool})"
    query = f"SELECT *, {merged or 'CAST(NULL AS DOUBLE)'} AS merged FROM ({pool})"
    return f"SELECT *, {_rank(op, known, merged is not None, total)} AS rank FROM ({query})"


def missing(op: logical.Rank) -> str:
    """SQL of the reason why a document leaves the pool, a missing score that its domain uses; null if it stays."""
    cases = ""
    for name, _ in op.criteria if op.quality.missing == "drop" else ():
        needed = "true" if name in (op.top or ()) else f"{weight(op, name)} <> 0"
        cases += f" WHEN {ident(score_column(name))} IS NULL AND {needed} THEN {literal(f'missing {name}')}"
    return f"(CASE{cases} END)" if cases else "CAST(NULL AS VARCHAR)"


def _present(name: str, direction: Direction, one: Stats) -> str:
    """SQL of a score, with the worst of the pool in place of a missing one."""
    return f"coalesce({ident(score_column(name))}, {literal(one.low if direction == 'higher' else one.high)})"


def _turned(value: str, direction: Direction) -> str:
    return f"(- {value})" if direction == "higher" else value


def _normalised(op: logical.Rank, name: str, direction: Direction, one: Stats) -> str:
    """SQL of σ(q): smaller is better; a criterion that is equal for all documents is 0."""
    value = _present(name, direction, one)
    match op.quality.normalize:
        case "rank":
            return ident(f"share_{name}")
        case "minmax":
            best, width = (one.high, one.low - one.high) if direction == "higher" else (one.low, one.high - one.low)
            return f"(({value} - {literal(best)}) / {literal(width)})" if width else "0.0 :: DOUBLE"
        case _:
            scale = -one.std if direction == "higher" else one.std
            return f"(({value} - {literal(one.mean)}) / {literal(scale)})" if scale else "0.0 :: DOUBLE"


def _share_columns(op: logical.Rank, stats: dict[str, Stats]) -> list[str]:
    """SQL of the share of the pool's documents that are as good or better; ties get the largest share."""
    return [
        f"cume_dist() OVER (ORDER BY {_turned(_present(name, way, stats[name]), way)}) AS {ident(f'share_{name}')}"
        for name, way in op.criteria
    ]


def _merged(op: logical.Rank, stats: dict[str, Stats]) -> str | None:
    """SQL of q̄: Σ σ(q)·α in the order of the criteria; None if there are no weights to merge with."""
    if not op.quality.weights:
        return None
    terms = []
    for name, direction in op.criteria:
        if any(dict(block.weights).get(name, 0.0) for block in op.quality.weights):
            terms.append(f"{_normalised(op, name, direction, stats[name])} * {weight(op, name)}")
    # If all weights are 0, all documents are equally good.
    return "(" + " + ".join(terms) + ")" if terms else "0.0 :: DOUBLE"


def _rank(op: logical.Rank, stats: dict[str, Stats], merged: bool, total: str) -> str:
    """SQL of r̄: the share of tokens that are as good or better, in the domain; for `top`, in the whole pool.

    Uses integers until the final division."""
    if op.top is not None:
        directions = dict(op.criteria)
        values = [_turned(_present(name, directions[name], stats[name]), directions[name]) for name in op.top]
        sums = [
            f"sum(tokens) OVER (ORDER BY {value}, source, doc_id ROWS UNBOUNDED PRECEDING)"
            for value in values or ["merged"]
        ]
        return f"CAST({len(sums)} * least({', '.join(sums)}) AS DOUBLE) / {total}"
    if merged:
        # Without ties, the order of equally good documents is that of the low bits of their draws.
        spread = f"{draw(op.seed)} * {SPREAD}"
        more = f", {spread} - floor({spread})" if op.quality.ties == "split" else ""
        window = f"PARTITION BY domain ORDER BY merged{more} RANGE UNBOUNDED PRECEDING"
    else:
        return "CAST(NULL AS DOUBLE)"
    return f"CAST(sum(tokens) OVER ({window}) AS DOUBLE) / {total}"
