"""Output of a probe's report: in the terminal, and as a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipec.audit.measures import Separation
from recipec.audit.probe import Probe, TargetReport
from recipec.cli.page import escape

BINS = 40
BARS = " ▁▂▃▄▅▆▇█"
GROUPS = (
    ("examples", "unseen examples"),
    ("pool", "pool"),
    ("shuffled", "words shuffled"),
    ("exchanged", "facts exchanged"),
)
COLOURS = {"examples": "#1b6ca8", "pool": "#8a8a8a", "shuffled": "#d1495b", "exchanged": "#edae49"}


def show(found: Probe) -> None:
    """Prints the report."""
    for report in found.targets:
        print(
            f"{report.criterion}: target {report.target}, {report.examples} examples in its profile, {_basis(report)}"
        )
        print(f"  against {found.pool} documents of the pool  {separation(report.against_pool)}")
        print(f"  against copies with words shuffled   {separation(report.against_shuffled)}")
        print(f"  against copies with facts exchanged  {separation(report.against_exchanged)}")
        if (lost := report.deactivation) is not None:
            print(
                f"  without its {lost.neurons} neurons the loss on its examples goes from {lost.intact:.3f} to {lost.target:.3f} "
                f"nats per token; without as many random ones to {lost.random:.3f} "
                f"({lost.random_low:.3f} … {lost.random_high:.3f})"
            )
        for name, words in GROUPS:
            if report.scores[name]:
                print(f"  {words:<16}{_line(report, name)}")
        low, high = _range(report)
        print(f"  {'':<16}{low:<{BINS // 2}.3f}{high:>{BINS - BINS // 2}.3f}")
        for one in report.typical:
            print(f"  nearest in the pool  {one.score:.4f}  {one.name}: {one.text[:70]}")
        for one in report.surprising:
            print(f"  farthest example     {one.score:.4f}  {one.text[:90]}")
        for warning in report.warnings:
            print(f"  warning: {warning}")
        print()
    for name, other, value in found.overlaps:
        print(f"the targets of {name} and {other} share {value:.0%} of their profiles")


def _basis(report: TargetReport) -> str:
    return "held-out ones scored" if report.held else "each example scored by a profile of the others"


def separation(value: Separation | None) -> str:
    if value is None:
        return "too few documents"
    return f"AUC {value.auc:.3f} ({value.low:.3f} … {value.high:.3f})"


def _range(report: TargetReport) -> tuple[float, float]:
    every = [score for values in report.scores.values() for score in values]
    return min(every), max(every)


def _counts(report: TargetReport, name: str) -> list[int]:
    low, high = _range(report)
    width = (high - low) or 1.0
    counts = [0] * BINS
    for score in report.scores[name]:
        counts[min(BINS - 1, int((score - low) / width * BINS))] += 1
    return counts


def _line(report: TargetReport, name: str) -> str:
    counts = _counts(report, name)
    most = max(counts) or 1
    return "".join(BARS[-(-count * (len(BARS) - 1) // most)] for count in counts)


def page(found: Probe, recipe: str) -> str:
    """Renders the report as a self-contained HTML page: no script, no external resources."""
    body = "".join(_section(report, found.pool) for report in found.targets)
    shared = "".join(
        f"<li>{escape(one)} and {escape(other)} share {value:.0%} of their profiles</li>"
        for one, other, value in found.overlaps
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>probe of {escape(recipe)}</title>'
        "<style>body{font:15px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}"
        "td,th{text-align:left;padding:.1em 1em .1em 0}.warning{color:#a33}</style>"
        f"<h1>Probe of {escape(recipe)}</h1>{body}{f'<h2>Overlap</h2><ul>{shared}</ul>' if shared else ''}</html>\n"
    )


def _section(report: TargetReport, pool: int) -> str:
    rows = "".join(
        f"<tr><td>{words}<td>{separation(value)}"
        for words, value in (
            (f"{pool} documents of the pool", report.against_pool),
            ("copies with words shuffled", report.against_shuffled),
            ("copies with facts exchanged", report.against_exchanged),
        )
    )
    documents = "".join(
        f"<tr><td>{words}<td>{one.score:.4f}<td>{escape(one.name)}<td>{escape(one.text[:120])}"
        for words, group in (("nearest in the pool", report.typical), ("farthest example", report.surprising))
        for one in group
    )
    lost = report.deactivation
    loss = (
        f"<p>Loss on its examples: {lost.intact:.3f} nats per token; without its {lost.neurons} neurons {lost.target:.3f}; "
        f"without as many random ones {lost.random:.3f} ({lost.random_low:.3f} … {lost.random_high:.3f}).</p>"
        if lost is not None
        else ""
    )
    warnings = "".join(f'<p class="warning">{escape(warning)}</p>' for warning in report.warnings)
    return (
        f"<h2>{escape(report.criterion)}: target {escape(report.target)}</h2>"
        f"<p>{report.examples} examples in its profile; {_basis(report)}.</p><table><tr><th>against<th>separation{rows}</table>"
        f"{_plot(report)}{loss}{warnings}<table>{documents}</table>"
    )


def _plot(report: TargetReport) -> str:
    """Renders the score distribution of each group as a step plot."""
    low, high = _range(report)
    lines = "".join(_steps(_counts(report, name), COLOURS[name]) for name, _ in GROUPS if report.scores[name])
    legend = "".join(
        f'<text x="{10 + 150 * n}" y="15" fill="{COLOURS[name]}">{words}</text>'
        for n, (name, words) in enumerate(GROUPS)
    )
    return (
        f'<svg viewBox="0 0 640 240" role="img" aria-label="scores by group">{legend}{lines}'
        f'<text x="0" y="235">{low:.3f}</text><text x="590" y="235">{high:.3f}</text></svg>'
    )


def _steps(counts: Sequence[int], colour: str) -> str:
    most = max(counts) or 1

    def points() -> Iterator[str]:
        for number, count in enumerate(counts):
            height = 215 - 190 * count / most
            yield f"{number * 640 / BINS:.1f},{height:.1f} {(number + 1) * 640 / BINS:.1f},{height:.1f}"

    return f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(points())}"/>'
