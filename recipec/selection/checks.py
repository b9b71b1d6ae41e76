"""What keeps a pool from being ranked: domains without weights, and missing scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recipec.database.sql import ident, literal
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import logical
from recipec.selection.columns import Columns
from recipec.selection.gathering import score_column
from recipec.selection.kernel import Rules

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def check_weights(op: logical.Rank, columns: Columns) -> None:
    """Raises Failure if only some domains have weights and the pool has others."""
    if not op.quality.weights or any(block.domain is None for block in op.quality.weights) or op.top:
        return
    known = {block.domain for block in op.quality.weights}
    unknown = [domain for domain in columns.domains if domain not in known][:5]
    if unknown:
        names = ", ".join(f"`{name}`" for name in unknown)
        helps = ("add `weights { … }` for all other domains",)
        raise Failure(
            Diagnostic("R0501", f"no weights for the domain {names}", op.quality.weights[0].origin.span, helps=helps)
        )


def check_missing(
    connection: DuckDBPyConnection, op: logical.Rank, columns: Columns, rules: Rules, candidates: str
) -> None:
    """Raises Failure if a score is missing that its domain uses, under `missing error`.

    Args:
        candidates: a table expression of the candidates, to name a document.
    """
    if op.quality.missing != "error":
        return
    for number, one in enumerate(columns.layout.stats):
        if not one.missing:
            continue
        used = [domain for place, domain in enumerate(columns.layout.domains) if rules.needs(place, number)]
        count = sum(int(np.isnan(columns.score(number)[domain.start : domain.stop]).sum()) for domain in used)
        if count:
            names = ", ".join(literal(domain.name) for domain in used)
            source, doc_id = connection.execute(
                f"SELECT min(source), min_by(doc_id, (source, doc_id)) FROM {candidates} WHERE bad IS NULL "
                f"AND rejected_by IS NULL AND {ident(score_column(one.criterion))} IS NULL AND domain IN ({names})"
            ).fetchall()[0]
            message = (
                f"{count:,} documents have no score `{one.criterion}`, for example `{doc_id}` of source `{source}`"
            )
            helps = ("say how to treat them: `quality { missing worst }` or `missing drop`",)
            raise Failure(Diagnostic("R0502", message, helps=helps))
