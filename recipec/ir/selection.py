"""The results of a selection: the figures of a plan, in the same form for an estimate and for the real selection."""

from __future__ import annotations

from typing import Literal

from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.ir.reweighting import Reweighting

ReasonWord = Literal[
    "selected",
    "selected_tail",
    "filtered",
    "below_threshold",
    "not_drawn",
    "capped",
    "quota_zero",
    "oversize",
    "unreadable",
]


class Stats(Frozen):
    """One criterion over the filtered pool, in raw units."""

    criterion: str
    count: closed.Total  # documents with a score
    missing: closed.Total
    mean: closed.Number
    std: closed.Number  # ddof 0
    low: closed.Number
    high: closed.Number


class Cell(Frozen):
    """One unit of allocation: a domain, or the part of it inside a combination of nested quotas.

    Tokens are counts. `binds` is the limit that fixed the target: "" none, else "at most", "at least", "repetition".
    """

    domain: str
    nest: closed.Total  # bits as in `Gather.nest`, restricted to quotas of this domain
    documents: closed.Total  # in the filtered pool
    tokens: closed.Total  # unique tokens of the pool
    reachable: closed.Total | None  # the most tokens that the repetition limits allow; None without limits
    natural: closed.Number  # tokens expected from the curves at scale 1
    asked: closed.Number  # the mixture's weight before quotas, a share in [0, 1]
    weight: closed.Number  # after quotas, a share in [0, 1]
    target: closed.Number | None  # tokens; None without a token target
    scale: closed.Number  # c_d
    binds: str
    drawn_documents: closed.Total  # distinct documents drawn
    drawn_copies: closed.Total
    drawn_tokens: closed.Total
    tail_tokens: closed.Total = 0  # of those drawn, the tokens of documents beyond ω
    best_rank: closed.Number | None = (
        None  # the best rank of the domain: above ω, if too many documents are equally good
    )
    blocked_by: str = ""  # the document that is too large for what is left of the target: "<id> of source <name>"
    blocked_tokens: closed.Total = 0  # its tokens


class Reason(Frozen):
    domain: str
    reason: ReasonWord
    rejected_by: str | None
    documents: closed.Total
    tokens: closed.Total


class Cascade(Frozen):
    """The result of a cascade: the number of documents scored exactly, and the recall.

    Attributes:
        calls: the scores that are decided together.
        asked: the recall that the recipe asks for: the selected share of what exact scores would select.
        pool: documents that pass the filters; `sample`: those in the keyed sample; `exact`: all that the model scored.
        recall, low, high: measured on the sample, with the 95% interval. These and `exact` are None before it ran.
        promised: whether the interval's lower end reaches `asked`; otherwise everything was scored.
    """

    calls: tuple[str, ...]
    asked: closed.Number
    pool: closed.Total
    sample: closed.Total
    exact: closed.Total | None = None
    recall: closed.Number | None = None
    low: closed.Number | None = None
    high: closed.Number | None = None
    promised: bool = True


class Selection(Frozen):
    """The result of `Sample`: what was drawn and why.

    `digest` is sha256 over the selected (source, doc_id, copies), independent of order.

    Attributes:
        weights: domain weights from the mixer, before quotas.
        evidence: the measurement behind them; a plan file has it next to the selection.
        waiting: why the mixture is not decided yet; "" if it is.
        provisional: whether this depends on a mixture, its own or an earlier phase's, that is not decided yet. Such a
            selection is shown but never stored.
    """

    stats: tuple[Stats, ...]
    cells: tuple[Cell, ...]
    reasons: tuple[Reason, ...]
    candidates: closed.Total  # rows read, unreadable ones included
    budget: closed.Total | None  # T as requested
    allocated: closed.Number | None  # T after `shortfall shrink`
    digest: closed.Sha256OrNone  # "" of an estimate
    cascades: tuple[Cascade, ...] = ()
    weights: tuple[tuple[str, closed.Amount], ...] = ()
    evidence: Reweighting | None = None
    waiting: str = ""
    provisional: bool = False
