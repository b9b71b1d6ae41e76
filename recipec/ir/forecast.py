"""What a law says of a planned dataset: predicted loss, information, and the best mixture beside the recipe's own."""

from __future__ import annotations

from recipec.ir.expressions import Frozen


class DomainForecast(Frozen):
    """One domain under the law.

    Attributes:
        tokens, unique: drawn with repeats, and distinct among them.
        repetition: tokens per unique token; 0 where nothing is drawn.
        info: effective information in 10⁹ token-nats; None for laws without it.
        lost: information that the same tokens would give besides if each were distinct; None likewise.
        more_read: change of loss if one more billion tokens of the domain were read, drawn as it is drawn now.
        more_found: change of loss if its pool had one more billion unique tokens of the same qualities, and the
            dataset the same size.
        share, best: its share of the drawn tokens, and of the best mixture (None where the law tells no domains apart).
        best_low, best_high: 95 % interval of `best` over the law's bootstrap samples; None without samples.
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
        share, best: its share of the drawn tokens, and of the best mixture (None where the law tells no bands apart).
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
        law, source, fitted: the law's word, where its parameters are from, whether from the user's runs.
        low, high: 95 % interval of `loss`.
        error: relative error of the law itself, one standard deviation, that the interval contains.
        wasted: share of what the tokens could teach if all were distinct that is lost to repetition; None where the
            law is blind to repetition.
        repetition: tokens per unique token of the domain that repeats most.
        best_loss, regret: of the best mixture under the same quotas and limits, and loss − best_loss.
        fresh_loss: if the same tokens were all distinct.
        outside: in words, what lies outside the law's fitted range.
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
