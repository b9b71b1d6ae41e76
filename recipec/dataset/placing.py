"""Decides the file of each copy and its position there, from figures alone, before any text is read.

    sampled: source, doc_id, shard, row, domain, tokens, copies, …
    -> table `placed`: input, row, part, position, source, doc_id, domain, tokens, copies

Files are split by tokens, counting four bytes of text per token: byte counts would need a pass over all texts, and
sizes of compressed files depend on the layout of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipec.database.sql import SEPARATOR, literal
from recipec.ir import logical
from recipec.ir.execution import DomainTotal, Shard

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the dataset, before it is written."""

    number: int
    rows: int
    tokens: int  # of its documents, each counted as often as it is drawn
    bytes: int  # approximate bytes of text in the file


def place(connection: DuckDBPyConnection, op: logical.Write, sampled: str, shards: Sequence[Shard]) -> tuple[Part, ...]:
    """Creates the temporary table `placed`, clustered by input shard, and returns the parts.

    `sampled` is a table expression."""
    _number_inputs(connection, shards)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE ordered AS {_ordered(op, sampled)}")
    count = _count(connection, op)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE placed AS
        SELECT input, row, CAST(least(before * {count} // greatest(total, 1), {count - 1}) AS BIGINT) AS part,
            position, source, doc_id, domain, tokens, copies
        FROM ordered CROSS JOIN (SELECT coalesce(sum(tokens), 0) AS total FROM ordered)
        ORDER BY input, row, position
        """
    )
    connection.execute("DROP TABLE ordered; DROP TABLE inputs")
    return _parts(connection, op, count)


def domain_totals(connection: DuckDBPyConnection, op: logical.Write) -> tuple[DomainTotal, ...]:
    """Documents, rows and tokens of each domain in `placed`."""
    counted = _counted(op)
    rows = connection.execute(
        f"""
        SELECT domain, count(DISTINCT (source, doc_id)), count(*), CAST(sum(tokens * {counted}) AS BIGINT)
        FROM placed GROUP BY domain ORDER BY domain
        """
    ).fetchall()
    return tuple(DomainTotal(domain=row[0], documents=row[1], rows=row[2], tokens=row[3]) for row in rows)


def _number_inputs(connection: DuckDBPyConnection, shards: Sequence[Shard]) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE inputs AS SELECT unnest($1) AS input, unnest($2) AS source, unnest($3) AS path",
        [list(range(len(shards))), [shard.source for shard in shards], [shard.path for shard in shards]],
    )


def _ordered(op: logical.Write, sampled: str) -> str:
    """SQL of every row of the dataset in order (shuffled, else in the order of the shards), with its position and the
    number of tokens before it. Both windows run over sorted rows, so they need no memory."""
    as_rows = op.output.copies == "rows"
    copies = "unnest(range(1, copies + 1))" if as_rows else "copies"
    key = f"{_shuffle_key(op.seed, as_rows)}, source, doc_id" if op.output.shuffle else "input, row"
    return f"""
        SELECT *, row_number() OVER () - 1 AS position,
            sum(tokens) OVER (ROWS UNBOUNDED PRECEDING) - tokens AS before
        FROM (
            SELECT input, row, source, doc_id, domain, CAST(tokens AS BIGINT) AS tokens, copies
            FROM (
                SELECT input, row, s.source, doc_id, domain, tokens, CAST({copies} AS BIGINT) AS copies
                FROM {sampled} AS s JOIN inputs ON inputs.source = s.source AND inputs.path = s.shard WHERE copies > 0
            )
            ORDER BY {key}, copies
        )
    """


def _shuffle_key(seed: int, as_rows: bool) -> str:
    copy = "copies" if as_rows else "1"
    parts = f" || {literal(SEPARATOR)} || ".join((literal(str(seed)), "source", "doc_id", f"CAST({copy} AS VARCHAR)"))
    return f"md5_number_lower({parts})"


def _count(connection: DuckDBPyConnection, op: logical.Write) -> int:
    """The number of files: rounded to come closest to the stated size, and one for an empty dataset."""
    total = connection.execute("SELECT CAST(coalesce(sum(tokens), 0) AS HUGEINT) FROM ordered").fetchall()[0][0]
    return max(1, round(int(total) * BYTES_PER_TOKEN / op.output.shard))


def _counted(op: logical.Write) -> str:
    """SQL of how often a row of `placed` counts: once if copies are rows, else as often as it is drawn."""
    return "1" if op.output.copies == "rows" else "copies"


def _parts(connection: DuckDBPyConnection, op: logical.Write, count: int) -> tuple[Part, ...]:
    rows = connection.execute(
        f"""
        SELECT number, count(row), CAST(coalesce(sum(tokens * {_counted(op)}), 0) AS BIGINT),
            CAST(coalesce(sum(tokens), 0) AS BIGINT) * {BYTES_PER_TOKEN}
        FROM range({count}) AS parts(number) LEFT JOIN placed ON part = number
        GROUP BY number ORDER BY number
        """
    ).fetchall()
    return tuple(Part(*row) for row in rows)
