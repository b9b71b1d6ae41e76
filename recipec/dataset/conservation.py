"""Checks before a dataset is published: candidates = selected + rejected + unreadable, rows = Σ copies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, get_args

from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic
from recipec.ir.execution import DataFile, Shard
from recipec.ir.selection import ReasonWord, Selection

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN = 5
"""The number of shards named in one diagnostic."""

FATES = """
    CASE WHEN bad IS NOT NULL THEN 'unreadable' WHEN rejected_by IS NOT NULL THEN 'filtered'
        WHEN copies > 0 THEN 'drawn' ELSE 'not drawn' END
"""

EXPECTED = """
    CASE reason WHEN 'unreadable' THEN 'unreadable' WHEN 'filtered' THEN 'filtered'
        WHEN 'selected' THEN 'drawn' WHEN 'selected_tail' THEN 'drawn' ELSE 'not drawn' END
"""


def check_ledger(
    connection: DuckDBPyConnection, ledger: str, selection: Selection, shards: Sequence[Shard]
) -> Iterable[Diagnostic]:
    """Checks that every row of every shard has exactly one outcome in the ledger, and that the plan's figures match."""
    yield from _check_shards(connection, ledger, shards)
    words = ", ".join(literal(word) for word in get_args(ReasonWord))
    row = connection.execute(
        f"""
        SELECT count(*), count(*) FILTER (reason IS NULL OR reason NOT IN ({words})),
            count(*) FILTER (({FATES}) IS DISTINCT FROM ({EXPECTED})
                OR (copies IS NULL OR copies < 0) OR (copies > 0 AND reason IN ('unreadable', 'filtered')))
        FROM {ledger}
        """
    ).fetchall()[0]
    if row[0] != selection.candidates:
        yield _wrong(f"the selection has {selection.candidates:,} candidates, but the ledger {row[0]:,}")
    if row[1]:
        yield _wrong(f"{row[1]:,} candidates have no valid reason")
    if row[2]:
        yield _wrong(f"{row[2]:,} candidates have a reason that contradicts their outcome")


def check_rows(
    connection: DuckDBPyConnection, ledger: str, data: Sequence[DataFile], *, as_rows: bool
) -> Iterable[Diagnostic]:
    """Checks that the data have as many rows and tokens as the ledger selects."""
    row = connection.execute(
        f"""
        SELECT CAST(coalesce(sum({"copies" if as_rows else "1"}), 0) AS BIGINT),
            CAST(coalesce(sum(copies * CAST(tokens AS HUGEINT)), 0) AS BIGINT)
        FROM {ledger} WHERE copies > 0
        """
    ).fetchall()[0]
    rows, tokens = sum(file.rows for file in data), sum(file.tokens for file in data)
    if (rows, tokens) != row:
        yield _wrong(
            f"the ledger selects {row[0]:,} rows with {row[1]:,} tokens, but {rows:,} with {tokens:,} were written"
        )


def _check_shards(connection: DuckDBPyConnection, ledger: str, shards: Sequence[Shard]) -> Iterable[Diagnostic]:
    rows = connection.execute(
        f"""
        SELECT coalesce(expected.source, found.source), coalesce(expected.path, found.shard),
            coalesce(expected.rows, 0), coalesce(found.rows, 0)
        FROM (SELECT unnest($1) AS source, unnest($2) AS path, unnest($3) AS rows) AS expected
        FULL JOIN (SELECT source, shard, count(*) AS rows, count(DISTINCT row) AS places FROM {ledger} GROUP BY ALL)
            AS found ON expected.source = found.source AND expected.path = found.shard
        WHERE coalesce(expected.rows, 0) <> coalesce(found.rows, 0) OR found.rows <> places
        ORDER BY ALL
        """,
        [[shard.source for shard in shards], [shard.path for shard in shards], [shard.rows for shard in shards]],
    ).fetchall()
    for source, path, expected, found in rows[:SHOWN]:
        message = f"shard `{path}` of `{source}` has {expected:,} rows, but the ledger accounts for {found:,}"
        yield Diagnostic("R0606", message, place=path)
    if len(rows) > SHOWN:
        yield _wrong(f"{len(rows) - SHOWN:,} more shards do not add up")


def _wrong(message: str) -> Diagnostic:
    return Diagnostic("R0606", message, helps=("this is a bug in recipec; nothing was published, please report it",))
