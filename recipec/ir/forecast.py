"""The forecast of a law for a planned dataset: loss, information, and the best mixture compared with the recipe's."""

from __future__ import annotations

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
    tokens: float
    unique: float
    repetition: float
    info: float | None
    lost: float | None
    more_read: float
    more_found: float
    share: float
    best: float | None
    best_low: float | None
    best_high: float | None


class BandForecast(Frozen):
    """One quality band over all domains.

    Attributes:
        low, high: the ranks it covers.
        share, best: its share of the drawn tokens and of the best mixture (None if the law ignores bands).
    """

    low: float
    high: float
    tokens: float
    unique: float
    share: float
    best: float | None


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
    params: int
    loss: float
    low: float
    high: float
    error: float
    info: float | None
    wasted: float | None
    repetition: float
    best_loss: float | None
    regret: float | None
    fresh_loss: float
    domains: tuple[DomainForecast, ...]
    bands: tuple[BandForecast, ...]
    outside: tuple[str, ...]
    warnings: tuple[str, ...]
