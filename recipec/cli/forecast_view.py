"""A law's forecast for a plan, as tables: the prediction, then the domains."""

from __future__ import annotations

from collections.abc import Iterator

from recipec.cli.tables import Table
from recipec.ir.forecast import BandForecast, DomainForecast, Forecast
from recipec.numbers import count, plain, share, signed


def tables(forecast: Forecast) -> Iterator[Table]:
    """Yields the prediction with its interval, then what each domain contributes and costs."""
    rows = [
        ("predicted loss", f"{forecast.loss:.4f}", f"95% in {forecast.low:.3f} to {forecast.high:.3f}"),
        ("error of the law", f"{forecast.error:.1%}", "one standard deviation, part of the interval"),
    ]
    if forecast.info is not None:
        rows.append(("information", plain(forecast.info), "10⁹ token-nats"))
    if forecast.wasted is not None:
        rows.append(
            ("lost to repetition", share(forecast.wasted), "of what the tokens could teach if all were distinct")
        )
    if forecast.best_loss is not None and forecast.regret is not None:
        rows.append(("best loss", f"{forecast.best_loss:.4f}", "of the best mixture under the same quotas and limits"))
        rows.append(("regret", f"{forecast.regret:.4f}", f"{share(forecast.regret / forecast.best_loss)} of the best"))
    title = f"Loss of a model of {count(forecast.params)} parameters under {forecast.law} ({forecast.source})"
    yield Table(title, ("", "value", ""), tuple(rows), frozenset({1}))
    header = ("domain", "tokens", "epochs", "information", "lost", "share", "best", "ΔL: 1B more read", "1B more found")
    lines = tuple(row(domain) for domain in forecast.domains)
    yield Table("Domains under the law", header, lines, frozenset(range(1, len(header))))
    if len(forecast.bands) > 1:
        yield Table(
            "Quality bands",
            ("ranks", "tokens", "epochs", "share", "best"),
            tuple(band_row(band) for band in forecast.bands),
            frozenset({1, 2, 3, 4}),
        )


def best_share(domain: DomainForecast) -> str:
    if domain.best is None:
        return "—"
    if domain.best_low is None or domain.best_high is None:
        return share(domain.best)
    return f"{share(domain.best)} ({share(domain.best_low)} to {share(domain.best_high)})"


def band_row(band: BandForecast) -> tuple[str, ...]:
    return (
        f"{share(band.low)} to {share(band.high)}",
        count(band.tokens),
        plain(band.tokens / band.unique, 3) if band.unique else "—",
        share(band.share),
        "—" if band.best is None else share(band.best),
    )


def row(domain: DomainForecast) -> tuple[str, ...]:
    return (
        domain.domain,
        count(domain.tokens),
        plain(domain.repetition, 3),
        "—" if domain.info is None else plain(domain.info),
        "—" if domain.lost is None else plain(domain.lost),
        share(domain.share),
        best_share(domain),
        signed(domain.more_read),
        signed(domain.more_found),
    )
