"""Summarises how a dataset came about: reasons by domain, where each bound held, what each criterion decided alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from recipec import planning
from recipec.dataset import read_manifest, tables
from recipec.ir import logical, model
from recipec.ir.execution import Manifest
from recipec.ir.expressions import Frozen
from recipec.ir.selection import Cell, Reason
from recipec.selection.redrawing import redrawn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Clause(Frozen):
    """The documents that a `where` rejected and no earlier one had."""

    text: str
    origin: model.Origin | None
    documents: int
    tokens: int


class Decided(Frozen):
    """What a criterion decided alone: the numbers of selected documents that would be out, and of others that would be
    in, with its weight at 0 and unchanged curves and scales."""

    criterion: str
    selected: int
    selected_tokens: int
    kept_out: int
    kept_out_tokens: int


class Bound(Frozen):
    """A quota or limit that held a domain at its value, and the share the domain would have had without it."""

    domain: str
    nest: int
    binds: str
    asked: float  # share in [0, 1]
    planned: float
    drawn_tokens: int
    target: float
    origin: model.Origin | None


class Summary(Frozen):
    reasons: tuple[Reason, ...]
    clauses: tuple[Clause, ...]
    bounds: tuple[Bound, ...]
    cells: tuple[Cell, ...]
    decided: tuple[Decided, ...]


def summarise(connection: DuckDBPyConnection, dataset: Path) -> Summary:
    """Summarises a dataset from the manifest's figures and one pass over the ledger per criterion."""
    manifest = read_manifest(dataset)
    return Summary(
        reasons=manifest.selection.reasons,
        clauses=tuple(_clauses(manifest)),
        bounds=tuple(_bounds(manifest)),
        cells=manifest.selection.cells,
        decided=tuple(_decided(connection, dataset, manifest)),
    )


def _clauses(manifest: Manifest) -> Iterator[Clause]:
    recipe = manifest.recipe
    origins = {clause.text: clause.origin for clause in recipe.clauses}
    counts = dict.fromkeys(origins, (0, 0))
    for reason in manifest.selection.reasons:
        if reason.reason == "filtered" and reason.rejected_by is not None:
            documents, tokens = counts.get(reason.rejected_by, (0, 0))
            counts[reason.rejected_by] = documents + reason.documents, tokens + reason.tokens
    for text, (documents, tokens) in sorted(counts.items(), key=lambda item: (-item[1][0], item[0])):
        yield Clause(text=text, origin=origins.get(text), documents=documents, tokens=tokens)


def _bounds(manifest: Manifest) -> Iterator[Bound]:
    recipe = manifest.recipe
    for cell in manifest.selection.cells:
        if cell.binds and cell.target is not None:
            lines: tuple[model.Repeat | model.Quota, ...]
            lines = recipe.repeats if cell.binds == "repetition" else recipe.quotas
            mine = [line for line in lines if line.domain == cell.domain] or [
                line for line in lines if line.domain is None
            ]
            yield Bound(
                domain=cell.domain,
                nest=cell.nest,
                binds=cell.binds,
                asked=cell.asked,
                planned=cell.weight,
                drawn_tokens=cell.drawn_tokens,
                target=cell.target,
                origin=mine[0].origin if mine else None,
            )


def _decided(connection: DuckDBPyConnection, dataset: Path, manifest: Manifest) -> Iterator[Decided]:
    plan = planning.lower(manifest.recipe)
    rank = next(op for op in plan.ops if isinstance(op, logical.Rank))
    sample = plan.sample
    if isinstance(sample.sample, model.Top) or not rank.quality.weights:
        return
    ledger = tables([dataset / file.path for file in manifest.ledger])
    for criterion in sorted({name for block in rank.quality.weights for name, weight in block.weights if weight}):
        without = _without(rank, criterion)
        again = redrawn(sample, without, ledger, manifest.selection.stats)
        row = connection.execute(
            f"""
            SELECT count(*) FILTER (copies > 0 AND again = 0),
                coalesce(sum(tokens) FILTER (copies > 0 AND again = 0), 0) :: HUGEINT,
                count(*) FILTER (copies = 0 AND again > 0),
                coalesce(sum(tokens) FILTER (copies = 0 AND again > 0), 0) :: HUGEINT
            FROM ({again})
            """
        ).fetchall()[0]
        yield Decided(
            criterion=criterion,
            selected=row[0],
            selected_tokens=int(row[1]),
            kept_out=row[2],
            kept_out_tokens=int(row[3]),
        )


def _without(rank: logical.Rank, criterion: str) -> logical.Rank:
    """The ranking with the weight of one criterion set to 0."""
    weights = tuple(
        block.model_copy(
            update={"weights": tuple((name, 0.0 if name == criterion else w) for name, w in block.weights)}
        )
        for block in rank.quality.weights
    )
    return rank.model_copy(update={"quality": rank.quality.model_copy(update={"weights": weights})})
