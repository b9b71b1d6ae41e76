"""Charts without a plotting library: self-contained SVG, and a text sketch for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recipec.cli.page import escape
from recipec.numbers import count, plain

WIDTH, HEIGHT, MARGIN = 760, 480, 64

COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f", "#bcbd22", "#e377c2")


@dataclass(frozen=True, slots=True)
class Series:
    """A named series of points (x, y); `band` holds (low, high) of y per point; `line` connects the points."""

    name: str
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...] = ()
    line: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    log_x: bool = False

    def limits(self, *, bands: bool) -> tuple[float, float, float, float]:
        """Axis limits (x low, x high, y low, y high) over all points, and over the bands if `bands`; never empty."""
        xs = [self.scaled(x) for series in self.series for x, _ in series.points]
        ys = [y for series in self.series for _, y in series.points]
        if bands:
            ys += [y for series in self.series for pair in series.band for y in pair]
        x_low, x_high, y_low, y_high = min(xs), max(xs), min(ys), max(ys)
        x_pad = (x_high - x_low) * 0.03 or 0.5
        y_pad = (y_high - y_low) * 0.05 or abs(y_high) * 0.05 or 0.5
        return x_low - x_pad, x_high + x_pad, y_low - y_pad, y_high + y_pad

    def scaled(self, x: float) -> float:
        return math.log10(x) if self.log_x else x


def svg(chart: Chart) -> str:
    """Renders the chart as a self-contained SVG file."""
    x_low, x_high, y_low, y_high = chart.limits(bands=True)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (chart.scaled(x) - x_low) / (x_high - x_low)
        up = (y - y_low) / (y_high - y_low)
        return MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{MARGIN}" y="24" font-size="15">{escape(chart.title)}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 16}" text-anchor="middle">{escape(chart.x)}</text>',
        f'<text x="14" y="{MARGIN - 14}">{escape(chart.y)}</text>',
    ]
    for value in ticks(x_low, x_high):
        x = at(10**value if chart.log_x else value, y_low)[0]
        label = count(10**value) if chart.log_x else number(value)
        parts.append(f'<path d="M{x:.1f} {MARGIN}V{HEIGHT - MARGIN}" stroke="#e5e5e5"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - MARGIN + 16}" text-anchor="middle">{label}</text>')
    for value in ticks(y_low, y_high):
        y = HEIGHT - MARGIN - (value - y_low) / (y_high - y_low) * (HEIGHT - 2 * MARGIN)
        parts.append(f'<path d="M{MARGIN} {y:.1f}H{WIDTH - MARGIN}" stroke="#e5e5e5"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for index, series in enumerate(chart.series):
        color = COLORS[index % len(COLORS)]
        if series.band:
            upper = [at(x, high) for (x, _), (_, high) in zip(series.points, series.band, strict=True)]
            lower = [at(x, low) for (x, _), (low, _) in zip(series.points, series.band, strict=True)]
            parts.append(f'<polygon points="{pairs(upper + lower[::-1])}" fill="{color}" opacity="0.15"/>')
        places = [at(x, y) for x, y in series.points]
        if series.line:
            parts.append(f'<polyline points="{pairs(places)}" fill="none" stroke="{color}" stroke-width="2"/>')
        else:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}" opacity="0.7"/>' for x, y in places]
        parts.append(
            f'<text x="{WIDTH - MARGIN + 2}" y="{MARGIN + 16 * index}" fill="{color}" text-anchor="end">'
            f"{escape(series.name)}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def pairs(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers from `low` to `high`."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step)
    return [round(index * step, 12) for index in range(first, math.floor(high / step) + 1)]


def number(value: float) -> str:
    return count(value) if abs(value) >= 10_000 else plain(value, 6)


def sketch(chart: Chart, *, width: int = 64, height: int = 14) -> str:
    """Renders the chart as text: one letter per series, later series over earlier ones."""
    x_low, x_high, y_low, y_high = chart.limits(bands=False)
    grid = [[" "] * width for _ in range(height)]
    for index, series in enumerate(chart.series):
        mark = "abcdefghij"[index % 10] if len(chart.series) > 1 else "•"
        for x, y in series.points:
            column = round((chart.scaled(x) - x_low) / (x_high - x_low) * (width - 1))
            row = round((y_high - y) / (y_high - y_low) * (height - 1))
            grid[row][column] = mark
    shown = [x for series in chart.series for x, _ in series.points]
    left, right = (count(value) if abs(value) >= 1000 else plain(value) for value in (min(shown), max(shown)))
    label = max(len(number(float(f"{y:.4g}"))) for y in (y_low, y_high))
    lines = [chart.y]
    for row, cells in enumerate(grid):
        y = y_high - row / (height - 1) * (y_high - y_low)
        text = plain(y) if row % (height - 1) == 0 else ""
        lines.append(f"{text:>{label}} │{''.join(cells)}".rstrip())
    lines.append(f"{'':>{label}} └{'─' * width}")
    lines.append(f"{'':>{label}}  {left}{chart.x:^{max(1, width - len(left) - len(right))}}{right}")
    if len(chart.series) > 1:
        names = "   ".join(f"{'abcdefghij'[index % 10]} {series.name}" for index, series in enumerate(chart.series))
        lines.append(f"{'':>{label}}  {names}")
    return "\n".join(lines)
