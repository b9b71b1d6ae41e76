"""The results of a selection: the figures of a plan, in the same form for an estimate and for the real selection."""

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

    Tokens are counts. `binds` is the limit that fixed the target: "" none, else "at most", "at least", "repetition".
    """

    domain: str
    nest: int  # bits as in `Gather.nest`, restricted to quotas of this domain
    documents: int  # in the filtered pool
    tokens: int  # unique tokens of the pool
    reachable: int | None  # the most tokens that the repetition limits allow; None without limits
    natural: float  # tokens expected from the curves at scale 1
    asked: float  # the mixture's weight before quotas, a share in [0, 1]
    weight: float  # after quotas, a share in [0, 1]
    target: float | None  # tokens; None without a token target
    scale: float  # c_d
    binds: str
    drawn_documents: int  # distinct documents drawn
    drawn_copies: int
    drawn_tokens: int
    tail_tokens: int = 0  # of those drawn, the tokens of documents beyond ω
    best_rank: float | None = None  # the best rank of the domain: above ω, if too many documents are equally good
    blocked_by: str = ""  # the document that is too large for what is left of the target: "<id> of source <name>"
    blocked_tokens: int = 0  # its tokens


class Reason(Frozen):
    domain: str
    reason: str
    rejected_by: str | None
    documents: int
    tokens: int


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
        weights: domain weights from the mixer, before quotas.
        evidence: the measurement behind them; a plan file has it next to the selection.
        waiting: why the mixture is not decided yet; "" if it is.
        provisional: whether this depends on a mixture, its own or an earlier phase's, that is not decided yet. Such a
            selection is shown but never stored.
    """

    stats: tuple[Stats, ...]
    cells: tuple[Cell, ...]
    reasons: tuple[Reason, ...]
    candidates: int  # rows read, unreadable ones included
    budget: int | None  # T as requested
    allocated: float | None  # T after `shortfall shrink`
    digest: str
    cascades: tuple[Cascade, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    evidence: Reweighting | None = None
    waiting: str = ""
    provisional: bool = False


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
