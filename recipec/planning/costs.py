"""What the time of an operation depends on: its name in the histories, its unit of work, its time if nothing is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from recipec import spec
from recipec.ir import logical, model
from recipec.ir.execution import Estimate
from recipec.planning import rates
from recipec.planning.rates import Line, Observation
from recipec.scoring.by_model import wanted

ASSUMED: Mapping[str, Line] = {
    "filter": Line(0.0, 0.0),
    "read": Line(0.05, 2e-7),
    "gather": Line(0.05, 4e-7),
    "rank": Line(0.05, 1e-6),
    "sample": Line(0.05, 1e-6),
    "write": Line(0.2, 8e-9),
}
"""Seconds, and seconds per row (write: per byte), until measured here."""

TEXTS, TOKENS = Line(0.05, 5e-9), Line(0.2, 2e-7)
"""The same for a `Read` of whole texts, and for one that counts their tokens by a tokenizer, per byte."""

MODEL = Line(5.0, 0.15)
"""The same for a score by a model, per text: loading it, and running it."""

SCAN, LEAST = 0.02, 1e-10
"""Seconds of a score of texts besides the criterion's own cost, and the least cost per byte."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where operations run.

    Times are wall times. They are not converted between numbers of threads, as no operation scales perfectly: each number
    has its own history, and others are used, as they are, only where it has none. So it is with sources, whose documents
    differ in length.
    """

    threads: int
    engine: str
    device: str

    def of(self, op: logical.Op) -> str:
        """The setting of an operation in the histories, and the source of its documents."""
        if not isinstance(op, logical.Read | logical.Score):
            return f"{self.threads} threads"
        place = f"device {self.device}" if is_by_model(op) else f"engine {self.engine}"
        return f"{self.threads} threads, {place}, source {op.source.name}"


class Measured(NamedTuple):
    """The seconds that an operation, or a part of it, took for its work."""

    op: logical.Op
    work: float
    seconds: float


def is_by_model(op: logical.Op) -> bool:
    """Whether an operation is a score by a language model."""
    return isinstance(op, logical.Score) and wanted(op.call) is not None


def operation(op: logical.Op) -> str:
    """The name of an operation in the histories: operations of the same name take about the same time per unit."""
    match op:
        case logical.Read():
            return f"read {_suffixes(op.source)}, tokens by {op.source.tokens.by}"
        case logical.Score():
            return f"score {op.call.name}" if is_by_model(op) else f"score {op.call.name} of {_suffixes(op.source)}"
        case logical.Gather():
            return f"gather with {len(op.duplicates)} duplicates, {len(op.criteria)} criteria"
        case logical.Rank():
            return f"rank by {len(op.criteria)} criteria"
        case logical.Sample():
            return f"sample {op.sample.kind}"
        case logical.Write():
            return f"write {op.output.format} {op.output.compression}{', shuffled' if op.output.shuffle else ''}"
        case logical.Filter():
            return "filter"


def work(op: logical.Op, rows: float, bytes_: float) -> float:
    """The units of work of an operation over shards with so many rows and bytes."""
    if isinstance(op, logical.Read):
        return bytes_ if _reads_texts(op) else rows
    if isinstance(op, logical.Score):
        return rows if is_by_model(op) else bytes_
    return bytes_ if isinstance(op, logical.Write) else rows


def assumed(op: logical.Op) -> Line:
    """The built-in line of an operation."""
    if isinstance(op, logical.Read) and _reads_texts(op):
        return TOKENS if op.source.tokens.by == "tokenizer" else TEXTS
    if isinstance(op, logical.Score):
        return MODEL if is_by_model(op) else Line(SCAN, max(LEAST, spec.find("criteria", op.call.function).cost / 1e6))
    return ASSUMED[op.kind]


def estimate(op: logical.Op, amount: float, histories: rates.Histories, setting: Setting, measured: str) -> Estimate:
    """The seconds of an amount of work.

    Args:
        measured: the basis of the estimate if the operation was observed before.
    """
    seen = rates.observed(histories, operation(op), setting.of(op))
    line = rates.fit(seen, assumed(op)) if amount and seen else assumed(op)
    return Estimate(value=line.seconds(amount) if amount else 0.0, basis=measured if seen else "assumed rate")


def split(seconds: float, parts: Sequence[tuple[logical.Op, float]]) -> list[Measured]:
    """Divides the time of operations that shared a scan by what they were assumed to cost; each did its own work."""
    weights = [assumed(op).rate * amount for op, amount in parts]
    total = sum(weights)
    return [
        Measured(op, amount, seconds * weight / total if total else seconds / len(parts))
        for (op, amount), weight in zip(parts, weights, strict=True)
    ]


def histories(measured: Iterable[Measured], setting: Setting) -> list[rates.History]:
    """Measurements as histories; time without work counts for the next measurement of the same operation."""
    found: list[rates.History] = []
    before: dict[tuple[str, str], float] = {}
    for one in measured:
        key = operation(one.op), setting.of(one.op)
        seconds = before.pop(key, 0.0) + one.seconds
        if one.work < 1:
            before[key] = seconds
            continue
        observation = Observation(work=one.work, seconds=max(rates.SHORTEST, seconds))
        found.append(rates.History(operation=key[0], setting=key[1], observations=(observation,)))
    return found


def _reads_texts(op: logical.Read) -> bool:
    """Whether a read takes time in proportion to the bytes of its shards, not only to their rows."""
    return op.source.tokens.by != "column" or _suffixes(op.source) != ".parquet"


def _suffixes(source: model.Source) -> str:
    """The suffixes of a source's globs: what a byte of its shards costs depends on their format."""
    return " ".join(sorted({PurePath(glob).suffix for glob in source.shards}))
