"""The texts that influence is measured on: per domain a keyed sample after the filters, per target its examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.database.sql import literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.inputs import scans, targets
from recipec.ir import model
from recipec.places import local

if TYPE_CHECKING:
    from recipec.execution.pool import Pool

CHARACTERS = 8
"""Upper bound of the mean number of characters per token of a domain's texts; that many are taken if available."""


def domains(pool: Pool) -> dict[str, int]:
    """The tokens of each domain in the pool, after the filters that need no model."""
    parts = " UNION ALL ".join(f"SELECT domain, tokens FROM {pool} WHERE {LEFT}" for _, pool in pool.unmodelled())
    found = pool.connection.execute(f"SELECT domain, sum(tokens) FROM ({parts}) GROUP BY domain ORDER BY domain")
    return {str(name): int(tokens) for name, tokens in found.fetchall()}


LEFT = "bad IS NULL AND rejected_by IS NULL"


def write(pool: Pool, chosen: Sequence[model.Target], names: Sequence[str], tokens: int, path: Path) -> None:
    """Writes `kind, number, place, text, start, stop, counted`: for tasks the held-out examples of targets, or all if
    none are held out; for domains texts in the order of a keyed hash, enough for the requested tokens, with the
    recipe's token count of each whole text.

    Raises:
        Failure: a target cannot be read.
    """
    sql = pool.connection.execute
    sql(
        "CREATE OR REPLACE TEMP TABLE influence_texts (kind VARCHAR, number INTEGER, place BIGINT, text VARCHAR, "
        "start BIGINT, stop BIGINT, counted BIGINT)"
    )
    for number, target in enumerate(chosen):
        used, held = targets.examples(target, pool.folder)
        examples = [one for one in held or used if one[0].strip()]
        if not examples:
            raise Failure(
                Diagnostic("R1107", f"target `{target.name}` has no text to measure a loss on", target.origin.span)
            )
        sql(
            "INSERT INTO influence_texts SELECT 'task', $1, unnest(range(len($2))), unnest($2), unnest($3), unnest($4), NULL",
            [number, *map(list, zip(*examples, strict=True))],
        )
    key = (
        f"md5_number_lower({literal(f'influence{chr(31)}{pool.recipe.seed}{chr(31)}')} || source || chr(31) || doc_id)"
    )
    parts = " UNION ALL ".join(
        f"SELECT {literal(shard.source)} AS source, {literal(shard.path)} AS shard, row, domain, doc_id, tokens "
        f"FROM {pool} WHERE {LEFT}"
        for shard, pool in pool.unmodelled()
    )
    # Token counts of the recipe and the checkpoint differ: take twice the texts needed, then let the tokenizer cut.
    sql(
        f"CREATE OR REPLACE TEMP TABLE influence_sample AS SELECT *, row_number() OVER w AS place FROM "
        f"(SELECT *, {key} AS key FROM ({parts})) "
        f"WINDOW w AS (PARTITION BY domain ORDER BY key, source, doc_id) "
        f"QUALIFY sum(tokens) OVER (w ROWS UNBOUNDED PRECEDING) - tokens < {2 * tokens}"
    )
    longest = CHARACTERS * 2 * tokens
    for number, shard in enumerate(pool.shards):
        pool.progress("read the domains' samples", number, len(pool.shards), "shards")
        texts = scans.texts(pool.source(shard), shard, pool.folder)
        sql(
            f"INSERT INTO influence_texts SELECT 'domain', list_position($1, s.domain) - 1, place, "
            f"substr(text, 1, {longest}), NULL, NULL, CASE WHEN length(text) <= {longest} THEN tokens END "
            f"FROM {texts} AS t JOIN influence_sample AS s "
            f"ON s.row = t.__row AND s.source = {literal(shard.source)} AND s.shard = {literal(shard.path)} "
            f"WHERE list_contains($1, s.domain)",
            [list(names)],
        )
    with local.replacing(path) as temporary:
        sql(
            f"COPY (SELECT * FROM influence_texts ORDER BY kind, number, place) TO {literal(str(temporary))} (FORMAT parquet)"
        )
