"""Plans before all scores exist: the selection of a keyed sample of documents, scaled up to all of them."""

from __future__ import annotations

from dataclasses import replace

from recipec.execution.pool import Pool
from recipec.execution.run import Run
from recipec.execution.timings import Rates
from recipec.ir.selection import Cell, Reason, Selection, Stats
from recipec.planning import costs
from recipec.planning.fingerprints import step_ids

MODEL_DOCUMENTS = 96
"""Documents that `plan` runs through a model for an estimate: about 15 seconds on two cores for 135M parameters."""


def share(run: Run, limit: int) -> float | None:
    """The share of documents to score for an estimate, or None if all scores exist or are cheap enough to compute.

    If the number of texts is within the limit, text scores are computed here, which shows what models must process.
    """
    pool = run.pool
    size = 0
    for group in pool.groups():
        by_text = [position for position in group if not pool.is_by_model(position)]
        size = max(size, sum(shard.bytes for shard, _ in pool.missing(by_text)))
    found = 1.0 if size <= limit else limit / size
    if size <= limit:
        run.score(models=False)
    documents = max(pool.by_model()[0].values(), default=0)
    if documents * found > MODEL_DOCUMENTS:
        found = MODEL_DOCUMENTS / documents
    return None if found == 1.0 else found


def estimate(run: Run, fraction: float) -> tuple[Selection, str, Run]:
    """The selection scaled up from a sample, the description of that sample, and its run."""
    part = replace(run, pool=sampled(run.pool, fraction), draws={}, rates=Rates())
    part.score()
    selection = part.select()
    # A sample is found among all documents, so that only the time of models depends on its size.
    run.rates.measured += [one for one in part.rates.measured if costs.is_by_model(one.op)]
    total = run.pool.rows
    words = f"{selection.candidates:,} of {total:,} documents, by keyed hash"
    found = blown_up(selection, total, fraction)
    return found.model_copy(update={"cascades": run.cascades()}), words, part


def sampled(pool: Pool, fraction: float) -> Pool:
    """The pool restricted to the sample of an estimate."""
    ids = step_ids(pool.plan, pool.shards, pool.folder, sample=repr(fraction))
    return replace(pool, ids=ids, sampling=fraction)


def blown_up(selection: Selection, total: int, fraction: float) -> Selection:
    """The selection with counts divided by the sampled share; shares, scales and means are unchanged."""

    def count(value: float) -> int:
        return round(value / fraction)

    cells = tuple(_cell(cell, fraction) for cell in selection.cells)
    reasons = tuple(
        Reason(
            domain=reason.domain,
            reason=reason.reason,
            rejected_by=reason.rejected_by,
            documents=count(reason.documents),
            tokens=count(reason.tokens),
        )
        for reason in selection.reasons
    )
    stats = tuple(
        Stats.model_validate({**one.model_dump(), "count": count(one.count), "missing": count(one.missing)})
        for one in selection.stats
    )
    return Selection(
        stats=stats,
        cells=cells,
        reasons=reasons,
        candidates=total,
        budget=None if selection.budget is None else count(selection.budget),
        allocated=None if selection.allocated is None else selection.allocated / fraction,
        digest="",
        weights=selection.weights,
        evidence=selection.evidence,
        waiting=selection.waiting,
        provisional=selection.provisional,
    )


def _cell(cell: Cell, fraction: float) -> Cell:
    counts = ("documents", "tokens", "drawn_documents", "drawn_copies", "drawn_tokens", "tail_tokens")
    values: dict[str, int | None] = {name: round(getattr(cell, name) / fraction) for name in counts}
    values["reachable"] = None if cell.reachable is None else round(cell.reachable / fraction)
    target = None if cell.target is None else cell.target / fraction
    # The document that blocks a sample is not the one that blocks the whole.
    unsaid = {"blocked_by": "", "blocked_tokens": 0}
    return cell.model_copy(update={**values, **unsaid, "natural": cell.natural / fraction, "target": target})
