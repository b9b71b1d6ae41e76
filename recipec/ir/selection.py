"""What a selection came to: the figures of a plan, the same for an estimate and for the real thing."""

from __future__ import annotations

from typing import Literal

from recipec.ir.expressions import Frozen
from recipec.ir.reweighting import Reweighting


class Stats(Frozen):
    """One criterion over the filtered pool, in raw units."""

    criterion: str
    count: int  # documents with a score
    missing: int
    mean: float
    std: float  # ddof 0
    low: float
    high: float


class Cell(Frozen):
    """One unit of allocation: a domain, or the part of it inside a combination of nested quotas.

    Tokens are counts. `binds` says which limit fixed the target: "" none, else "at most", "at least", "repetition".
    """

    domain: str
    nest: int  # bits as in `Gather.nest`, restricted to quotas of this domain
    documents: int  # in the filtered pool
    tokens: int  # unique tokens of the pool
    reachable: int | None  # the most tokens that the repetition limits let be drawn; None without limits
    natural: float  # what the curves give at scale 1 (tokens)
    asked: float  # the mixture's weight before quotas, share in [0, 1]
    weight: float  # after quotas, share in [0, 1]
    target: float | None  # tokens; None without a token target
    scale: float  # c_d
    binds: str
    drawn_documents: int  # distinct documents drawn
    drawn_copies: int
    drawn_tokens: int


class Reason(Frozen):
    domain: str
    reason: str
    rejected_by: str | None
    documents: int
    tokens: int


class Cascade(Frozen):
    """What a cascade came to: how many documents were scored exactly, and what that costs.

    Attributes:
        calls: the scores that are decided together.
        asked: the recall that the recipe asks for: of what exact scores would select, the share that is selected.
        pool: documents that filters leave; `sample`: those of the keyed sample; `exact`: all that the model saw.
        recall, low, high: measured on the sample, with its 95% interval. These and `exact` are None before it ran.
        promised: whether the interval's lower end reaches what was asked; else everything was scored.
    """

    calls: tuple[str, ...]
    asked: float
    pool: int
    sample: int
    exact: int | None = None
    recall: float | None = None
    low: float | None = None
    high: float | None = None
    promised: bool = True


class Selection(Frozen):
    """The result of `Sample`: what was drawn and why.

    `digest` is sha256 over the selected (source, doc_id, copies), independent of order.

    Attributes:
        weights: of domains, as the mixer decided them, before quotas.
        evidence: the measurement behind them; a plan file has it beside the selection.
        waiting: why the mixture is not decided yet; "" where it is.
        provisional: whether this rests on a mixture, its own or an earlier phase's, that is not decided yet. Such a
            selection is shown and never stored.
    """

    stats: tuple[Stats, ...]
    cells: tuple[Cell, ...]
    reasons: tuple[Reason, ...]
    candidates: int  # rows read, unreadable ones included
    budget: int | None  # T as asked
    allocated: float | None  # T after `shortfall shrink`
    digest: str
    cascades: tuple[Cascade, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    evidence: Reweighting | None = None
    waiting: str = ""
    provisional: bool = False


ReasonWord = Literal[
    "selected", "selected_tail", "filtered", "below_threshold", "not_drawn", "capped", "quota_zero", "unreadable"
]
