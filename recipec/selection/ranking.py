"""Op `Rank`: criteria turned so that smaller is better, brought to one scale, merged, ranked within the domain.

QuaDMix (arXiv 2504.16511) eq. 1 and 2, with the decisions of design.md: statistics over the filtered pool, token weights in
the rank, ties share one rank.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recipec import storage
from recipec.database.sql import ident, literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import logical
from recipec.ir.selection import Stats
from recipec.selection.gathering import score_column

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SEPARATOR = "\x1f"

Direction = Literal["higher", "lower"]

POOL = "bad IS NULL AND rejected_by IS NULL"


def rank(connection: DuckDBPyConnection, op: logical.Rank, candidates: Path, destination: Path) -> tuple[Stats, ...]:
    """Writes the candidates with `merged`, `rank` and `draw` (see `logical.Rank`); returns the criteria's statistics.

    Raises:
        Failure: scores are missing and `missing error` holds, or a domain has no weights.
    """
    table = f"read_parquet({literal(str(candidates))})"
    stats = tuple(statistics(connection, table, name) for name, _ in op.criteria)
    _check_weights(connection, op, table)
    _check_missing(connection, op, table)
    query = _ranked(op, table, stats)
    with storage.replacing(destination) as temporary:
        connection.execute(f"COPY ({query}) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION snappy)")
    return stats


def reranked(op: logical.Rank, ledger: str, stats: tuple[Stats, ...]) -> str:
    """SQL of a ledger's rows with `merged` and `rank` as another `Rank` would give them."""
    return _ranked(op, f"(SELECT * EXCLUDE (merged, rank, draw) FROM {ledger})", stats)


def draw(seed: int) -> str:
    """SQL of u_i in (0, 1): the keyed hash of a document that decides its draws."""
    key = f"{literal(f'{seed}{SEPARATOR}')} || source || {literal(SEPARATOR)} || doc_id"
    return f"((CAST(md5_number_lower({key}) >> 12 AS DOUBLE) + 0.5) / 4503599627370496.0)"


def statistics(connection: DuckDBPyConnection, table: str, criterion: str) -> Stats:
    """Count, mean, spread and range of a criterion over the pool.

    Sums are made in integers, so that they are the same in any order of rows and with any number of threads."""
    column = ident(score_column(criterion))
    where = f"FROM {table} WHERE {POOL}"
    count, missing, low, high = connection.execute(
        f"SELECT count({column}), count(*) - count({column}), min({column}), max({column}) {where}"
    ).fetchall()[0]
    if not count:
        return Stats(criterion=criterion, count=0, missing=missing, mean=0.0, std=0.0, low=0.0, high=0.0)
    scale = _fixed_point(max(abs(low), abs(high)), 60)
    total = _one(connection, f"SELECT sum(CAST(round({column} * {scale!r}) AS BIGINT)) {where}")
    mean = min(max(int(total) / count / scale, low), high)
    fine = _fixed_point(high - low, 45)
    deviation = f"CAST(CAST(round(({column} - {literal(mean)}) * {fine!r}) AS BIGINT) AS HUGEINT)"
    squares = _one(connection, f"SELECT sum({deviation} * {deviation}) {where}")
    std = math.sqrt(int(squares) / count) / fine
    return Stats(criterion=criterion, count=count, missing=missing, mean=mean, std=std, low=low, high=high)


def _fixed_point(largest: float, bits: int) -> float:
    """The power of two that brings values of up to `largest` below 2**bits."""
    if largest == 0:
        return 1.0
    return math.ldexp(1.0, min(bits - math.frexp(largest)[1], 1000))


def _one(connection: DuckDBPyConnection, query: str) -> float:
    value: float = connection.execute(query).fetchall()[0][0]
    return value


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


def _check_weights(connection: DuckDBPyConnection, op: logical.Rank, table: str) -> None:
    """Where only some domains have weights, every other one must be named too."""
    if not op.quality.weights or any(block.domain is None for block in op.quality.weights) or op.top is not None:
        return
    known = ", ".join(literal(block.domain or "") for block in op.quality.weights)
    rows = connection.execute(
        f"SELECT DISTINCT domain FROM {table} WHERE {POOL} AND domain NOT IN ({known}) ORDER BY domain LIMIT 5"
    ).fetchall()
    if rows:
        names = ", ".join(f"`{row[0]}`" for row in rows)
        origin = op.quality.weights[0].origin
        helps = ("add `weights { … }` for all other domains",)
        raise Failure(Diagnostic("R0501", f"no weights for the domain {names}", origin.span, helps=helps))


def _check_missing(connection: DuckDBPyConnection, op: logical.Rank, table: str) -> None:
    if op.quality.missing != "error":
        return
    for name, _ in op.criteria:
        needed = "true" if op.top == name else f"{weight(op, name)} <> 0"
        column = ident(score_column(name))
        rows = connection.execute(
            f"SELECT count(*), min(source), min_by(doc_id, (source, doc_id)) FROM {table} "
            f"WHERE {POOL} AND {column} IS NULL AND {needed}"
        ).fetchall()
        count, source, doc_id = rows[0]
        if count:
            message = f"{count:,} documents have no score `{name}`, for example `{doc_id}` of source `{source}`"
            helps = ("say how to treat them: `quality { missing worst }` or `missing drop`",)
            raise Failure(Diagnostic("R0502", message, helps=helps))


def _ranked(op: logical.Rank, table: str, stats: tuple[Stats, ...]) -> str:
    known = {one.criterion: one for one in stats}
    query = f"SELECT * FROM {table}"
    if op.quality.missing == "drop":
        query = _dropped(op, query)
    query = f"SELECT *, ({POOL}) AS pooled FROM ({query})"
    merged = _merged(op, known)
    by_rank = op.quality.normalize == "rank" and merged is not None
    if by_rank:
        query = f"SELECT *, {', '.join(_share_columns(op, known))} FROM ({query})"
    value = f"CASE WHEN pooled THEN {merged} END" if merged is not None else "CAST(NULL AS DOUBLE)"
    query = f"SELECT *, {value} AS merged, CASE WHEN pooled THEN {draw(op.seed)} END AS draw FROM ({query})"
    helper = ", ".join(["pooled", *(ident(f"share_{name}") for name, _ in op.criteria if by_rank)])
    return f"SELECT * EXCLUDE ({helper}), {_rank(op, known, merged is not None)} AS rank FROM ({query})"


def _dropped(op: logical.Rank, query: str) -> str:
    """Documents without a score that counts in their domain leave the pool, named for it."""
    cases = ""
    for name, _ in op.criteria:
        needed = "true" if op.top == name else f"{weight(op, name)} <> 0"
        cases += f" WHEN {ident(score_column(name))} IS NULL AND {needed} THEN {literal(f'missing {name}')}"
    if not cases:
        return query
    return f"SELECT * REPLACE (CASE WHEN NOT ({POOL}) THEN rejected_by{cases} END AS rejected_by) FROM ({query})"


def _present(name: str, direction: Direction, one: Stats) -> str:
    """A score, with the worst of the pool in place of a missing one."""
    return f"coalesce({ident(score_column(name))}, {literal(one.low if direction == 'higher' else one.high)})"


def _turned(value: str, direction: Direction) -> str:
    return f"(- {value})" if direction == "higher" else value


def _normalised(op: logical.Rank, name: str, direction: Direction, one: Stats) -> str:
    """σ(q): smaller is better; a criterion that is the same for all documents says nothing and is 0."""
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
    """The share of the pool's documents that are as good or better, ties sharing the largest."""
    return [
        f"cume_dist() OVER (PARTITION BY pooled ORDER BY {_turned(_present(name, way, stats[name]), way)}) "
        f"AS {ident(f'share_{name}')}"
        for name, way in op.criteria
    ]


def _merged(op: logical.Rank, stats: dict[str, Stats]) -> str | None:
    """q̄: Σ σ(q)·α in the order of the criteria; None where no weights say how to merge."""
    if not op.quality.weights:
        return None
    terms = []
    for name, direction in op.criteria:
        if any(dict(block.weights).get(name, 0.0) for block in op.quality.weights):
            terms.append(f"{_normalised(op, name, direction, stats[name])} * {weight(op, name)}")
    # Without any weight all documents are equally good.
    return "(" + " + ".join(terms) + ")" if terms else "0.0 :: DOUBLE"


def _rank(op: logical.Rank, stats: dict[str, Stats], merged: bool) -> str:
    """r̄: the share of tokens that are as good or better, in the domain; for `top`, in the whole pool."""
    if op.top is not None:
        direction = dict(op.criteria)[op.top]
        value = _turned(_present(op.top, direction, stats[op.top]), direction)
        return _share(f"ORDER BY {value}, source, doc_id ROWS UNBOUNDED PRECEDING", "PARTITION BY pooled")
    if not merged:
        return "CAST(NULL AS DOUBLE)"
    return _share("ORDER BY merged RANGE UNBOUNDED PRECEDING", "PARTITION BY pooled, domain")


def _share(order: str, partition: str) -> str:
    """Tokens up to a row over all tokens of its partition; integers until the last division."""
    above = f"CAST(sum(tokens) OVER ({partition} {order}) AS DOUBLE)"
    return f"CASE WHEN pooled THEN {above} / CAST(sum(tokens) OVER ({partition}) AS DOUBLE) END"
