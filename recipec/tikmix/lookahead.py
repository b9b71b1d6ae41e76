"""Labels of TiKMiX-M by look-ahead: trains a few steps on each mixture from the checkpoint and measures the gain.

Influence at a fixed checkpoint is linear in the mixture, so a model of it can only reproduce it; a few real training
steps add information.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recipec import proxies
from recipec.arrays import Array
from recipec.diagnostics import Diagnostic, Failure
from recipec.ir import closed, model
from recipec.ir.expressions import Frozen
from recipec.places import digests, local, sealed

if TYPE_CHECKING:
    from recipec.execution.pool import Pool

SEED = 1
"""Seed of every look-ahead, so that documents shared by mixtures come in the same order."""


class Ahead(Frozen):
    """Settings of look-ahead: `tokens` of training per mixture, in steps of `batch` sequences of `length` at a constant
    learning `rate`."""

    checkpoint: str
    tokens: int
    length: int
    rate: float
    batch: int = 8


def labels(
    pool: Pool, ahead: Ahead, targets: Sequence[model.Target], domains: Sequence[str], mixtures: Array, *, now: bool
) -> tuple[Array, Array] | None:
    """The mixtures (n, m) whose training finished, and the decrease of loss in nats per token, summed over targets
    (n,), larger is better; None if some are not trained yet and `now` is false.

    Raises:
        Failure: a target has nothing left under the checkpoint's tokenizer, or too many trainings diverged.
    """
    proxy = proxies.Proxy(
        start=ahead.checkpoint, tokens=ahead.tokens, context=ahead.length, batch=ahead.batch, rate=ahead.rate
    )
    place = _place(pool, proxy, targets, domains, mixtures)
    known = sealed.value_of(place, Labels)
    if known is None:
        if not now:
            return None
        known = Labels(gains=_trained(pool, proxy, targets, domains, mixtures))
        sealed.write_value(place, known.model_dump(mode="json"))
    gains = np.array([np.nan if one is None else one for one in known.gains])
    ended = np.isfinite(gains)
    if ended.sum() < len(gains) / 2:
        message = f"{int((~ended).sum()):,} of {len(gains):,} look-ahead trainings diverged"
        raise Failure(Diagnostic("R1306", message, helps=("lower `rate`",)))
    return mixtures[ended], gains[ended]


class Labels(Frozen):
    """The stored gains of all mixtures; None for those that diverged."""

    gains: tuple[closed.Number | None, ...]


def _place(
    pool: Pool, proxy: proxies.Proxy, targets: Sequence[model.Target], domains: Sequence[str], mixtures: Array
) -> Path:
    key = {
        "corpus": proxies.folder_of(pool, proxy, targets).name,
        "proxy": proxy.model_dump(mode="json", exclude={"start"}),
        "domains": list(domains),
        "mixtures": np.round(mixtures, 12).tolist(),
        "seed": SEED,
    }
    return pool.store.root / "measured" / f"{digests.sha256_text(digests.canonical_json(key))[:32]}-labels.json"


def _trained(
    pool: Pool, proxy: proxies.Proxy, targets: Sequence[model.Target], domains: Sequence[str], mixtures: Array
) -> tuple[float | None, ...]:
    corpus = proxies.prepare(pool, proxy, targets)
    trainings = []
    folder = corpus.folder / "mixtures"
    folder.mkdir(exist_ok=True)
    for number, weights in enumerate(mixtures.tolist()):
        copies = proxies.copies_for(corpus, dict(zip(domains, weights, strict=True)), proxy.tokens, SEED)
        path = folder / f"{number}.npy"
        with local.replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, copies)
        trainings.append(proxies.Training(name=f"mixture {number + 1}", seed=SEED, copies=str(path)))
    found = proxies.train(pool, corpus, proxy, trainings)
    return tuple(_gain(one) for one in found)


def _gain(record: proxies.Record) -> float | None:
    if record.diverged is not None or record.losses.keys() != record.start.keys():
        return None
    return sum(record.start[name] - record.losses[name] for name in sorted(record.losses))
