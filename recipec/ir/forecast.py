"""The forecast of a law for a planned dataset: loss, information, and the best mixture compared with the recipe's."""

from __future__ import annotations

from recipec.ir import closed
from recipec.ir.expressions import Frozen


class DomainForecast(Frozen):
    """One domain under the law.

    Attributes:
        tokens, unique: tokens drawn including repeats, and distinct tokens among them.
        repetition: tokens per unique token; 0 if nothing is drawn.
        info: effective information in 10⁹ token-nats; None for laws without information.
        lost: additional information if all these tokens were distinct; None for the same laws.
        more_read: change of loss if one billion more tokens of the domain were read, drawn as now.
        more_found: change of loss if its pool had one billion more unique tokens of the same quality, with the dataset
            the same size.
        share, best: its share of the drawn tokens and of the best mixture (None if the law ignores domains).
        best_low, best_high: 95% interval of `best` over the law's bootstrap samples; None without samples.
    """

    domain: str
    tokens: closed.Number
    unique: closed.Number
    repetition: closed.Number
    info: closed.Number | None
    lost: closed.Number | None
    more_read: closed.Number
    more_found: closed.Number
    share: closed.Number
    best: closed.Number | None
    best_low: closed.Number | None
    best_high: closed.Number | None


class BandForecast(Frozen):
    """One quality band over all domains.

    Attributes:
        low, high: the ranks it covers.
        share, best: its share of the drawn tokens and of the best mixture (None if the law ignores bands).
    """

    low: closed.Number
    high: closed.Number
    tokens: closed.Number
    unique: closed.Number
    share: closed.Number
    best: closed.Number | None


class Forecast(Frozen):
    """A prediction for a plan, losses in nats per token (smaller is better).

    Attributes:
        law, source, fitted: the law's word, the origin of its parameters, and whether that is the user's own runs.
        low, high: 95% interval of `loss`.
        error: relative error of the law itself, one standard deviation; included in the interval.
        wasted: share of the information of the same tokens, if all were distinct, that is lost to repetition; None if
            the law ignores repetition.
        repetition: tokens per unique token of the most repeated domain.
        best_loss, regret: loss of the best mixture under the same quotas and limits, and loss − best_loss.
        fresh_loss: the loss if all these tokens were distinct.
        outside: a description of what is outside the law's fitted range.
    """

    law: str
    path: str
    source: str
    fitted: bool
    params: closed.Positive
    loss: closed.Number
    low: closed.Number
    high: closed.Number
    error: closed.Number
    info: closed.Number | None
    wasted: closed.Number | None
    repetition: closed.Number
    best_loss: closed.Number | None
    regret: closed.Number | None
    fresh_loss: closed.Number
    domains: tuple[DomainForecast, ...]
    bands: tuple[BandForecast, ...]
    outside: tuple[str, ...]
    warnings: tuple[str, ...]
