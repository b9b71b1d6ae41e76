"""Op `Read`: identity, domain, tokens and readability of every row of a shard, and which clause rejects it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from recipec.database.evidence import evidence
from recipec.database.sql import expression, ident, literal
from recipec.inputs import shards, tokens
from recipec.ir import logical
from recipec.ir.execution import Shard
from recipec.ir.expressions import columns_of
from recipec.places import local

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BYTES_PER_TOKEN = 4
"""Of the estimate of tokens: about what tokenizers of today make of English text."""


def read(connection: DuckDBPyConnection, op: logical.Read, shard: Shard, folder: Path, destination: Path) -> None:
    """Writes the result of a `Read` for one shard (see `logical.Read`).

    Raises:
        Failure: the shard or the tokenizer cannot be read.
    """
    source = op.source
    parts = [source.id, source.domain, *(p.condition for p in op.predicates), *(o.expression for o in op.outputs)]
    if source.tokens.column is not None:
        parts.append(source.tokens.column)
    needed = set().union(*(columns_of(part) for part in parts))
    texts = source.tokens.by != "column" or shards.has_nulls(shard, folder, source.text)
    if texts:
        needed.add(source.text)
    scan = shards.scan(shard, folder, sorted(needed))
    try:
        if source.tokens.by == "tokenizer":
            tokens.count(connection, source, shard, folder, "counted")
        with local.replacing(destination) as temporary:
            connection.execute(
                f"COPY ({_query(op, scan, texts)}) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
            )
    except duckdb.Error as error:
        raise shards.unreadable(shards.path(shard, folder), error) from None


def _query(op: logical.Read, scan: str, texts: bool) -> str:
    """A row's facts, then why it is unreadable, then which clause rejects it: each level uses the one below."""
    source = op.source
    counted = "(SELECT row AS __counted_row, tokens AS __counted_tokens FROM counted)"
    join = f"LEFT JOIN {counted} ON __counted_row = __row" if source.tokens.by == "tokenizer" else ""
    outputs = "".join(f", {expression(output.expression)} AS {ident(output.name)}" for output in op.outputs)
    failed = "".join(
        f" WHEN ({expression(predicate.condition)}) IS NOT TRUE THEN {number}"
        for number, predicate in enumerate(op.predicates, start=1)
    )
    failed = f"CASE{failed} END" if failed else "NULL"
    text_missing = f"{ident(source.text)} IS NULL" if texts else "false"
    passed = "".join(f", {ident(output.name)}" for output in op.outputs)
    return f"""
        SELECT row, doc_id, domain, tokens, bad,
            CASE WHEN bad IS NULL THEN rejected_by END AS rejected_by,
            CASE WHEN bad IS NULL THEN evidence END AS evidence{passed}
        FROM (
            SELECT *, CAST(CASE
                WHEN doc_id IS NULL THEN 'id is null'
                WHEN text_missing THEN 'text is null'
                WHEN domain IS NULL THEN 'domain is null'
                WHEN tokens IS NULL THEN 'tokens are null'
                WHEN tokens = 0 THEN 'tokens are zero'
                WHEN tokens < 0 THEN 'tokens are negative'
            END AS VARCHAR) AS bad
            FROM (
                SELECT CAST(__row AS BIGINT) AS row, CAST({expression(source.id)} AS VARCHAR) AS doc_id,
                    CAST({expression(source.domain)} AS VARCHAR) AS domain, TRY_CAST({_tokens(op)} AS BIGINT) AS tokens,
                    {text_missing} AS text_missing, {_rejection(op)}{outputs}
                FROM (SELECT *, {failed} AS __failed FROM {scan} AS scanned {join})
            )
        )
    """


def _rejection(op: logical.Read) -> str:
    """SQL of `rejected_by` and `evidence` from the number of the clause that failed."""
    texts = ", ".join(literal(predicate.text) for predicate in op.predicates)
    shown = "".join(
        f" WHEN {number} THEN {found}"
        for number, predicate in enumerate(op.predicates, start=1)
        if (found := evidence(predicate.condition, without=op.source.text)) is not None
    )
    rejected = f"([{texts}])[__failed]" if texts else "NULL"
    shown = f"CASE __failed{shown} END" if shown else "NULL"
    return f"CAST({rejected} AS VARCHAR) AS rejected_by, CAST({shown} AS VARCHAR) AS evidence"


def _tokens(op: logical.Read) -> str:
    tokens = op.source.tokens
    if tokens.column is not None:
        return expression(tokens.column)
    if tokens.by == "tokenizer":
        return "__counted_tokens"
    return f"greatest(1, (strlen({ident(op.source.text)}) + {BYTES_PER_TOKEN - 1}) // {BYTES_PER_TOKEN})"
