"""Output of a fitted law: tables, JSON and a chart."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

import numpy as np

from recipec.cli import charts, views
from recipec.cli.console import draw_table, stdout
from recipec.cli.tables import Table as Drawn
from recipec.diagnostics import Diagnostic, Severity
from recipec.laws.lawfile import LawFile
from recipec.laws.report import Report
from recipec.laws.tables import Table
from recipec.numbers import count, plain

SPLITS = {
    "in-sample": "in-sample (the fit has seen these runs)",
    "size": "held out by size: the largest models",
    "repetition": "held out by repetition: the most repeated runs",
    "recipe": "held out by recipe: each fold left out once",
}


def show(fitted: Report, table: Table, arguments: argparse.Namespace) -> None:
    """Prints the report on stdout and its warnings on stderr; with --json, one object that holds everything."""
    if arguments.json:
        law = fitted.file.model_dump(mode="json")
        value = {"law": law, "columns": table.columns, "objective": fitted.objective}
        print(json.dumps(value, indent=2, ensure_ascii=False))
        return
    console = stdout()
    for drawn in sections(fitted, table):
        draw_table(console, drawn)
    console.print()
    print(charts.sketch(chart(fitted, table)))
    warnings = [
        Diagnostic("R1207", text, place=str(arguments.runs), severity=Severity.WARNING) for text in fitted.file.warnings
    ]
    views.show_diagnostics(warnings, json=False)
    if arguments.output is not None:
        print(f"wrote {arguments.output}", file=sys.stderr)


def sections(fitted: Report, table: Table) -> Iterator[Drawn]:
    file = fitted.file
    yield Drawn(f"Columns of {count(len(table.runs))} runs", ("read as", "column"), tuple(table.columns.items()))
    rows = tuple(
        (name, plain(one.value, 6), interval(one.low, one.high, name in file.fixed), one.unit)
        for name, one in file.parameters.items()
    )
    yield Drawn(f"Parameters of {file.law}", ("parameter", "value", "95% interval", "unit"), rows, frozenset({1, 2}))
    yield errors(file)
    spans = (
        ("parameters N", file.params, count),
        ("tokens K", file.tokens, count),
        ("repetition K/M", file.repetition, lambda value: plain(value, 3)),
    )
    fitted_range = tuple((name, show(one.low), show(one.high)) for name, one, show in spans)
    yield Drawn("Fitted range", ("", "low", "high"), fitted_range, frozenset({1, 2}))


def interval(low: float, high: float, fixed: bool) -> str:
    return "fixed" if fixed else f"{plain(low)} to {plain(high)}"


def errors(file: LawFile) -> Drawn:
    rows = [
        (SPLITS[one.split], str(one.runs), f"{one.mean:.2%}", f"{one.largest:.2%}", f"{one.bias:+.2%}")
        for one in file.errors
    ]
    noise = "no runs differ in seed alone" if file.seed_noise is None else f"{file.seed_noise:.2%}"
    rows.append(("noise of seeds", "", noise, "", ""))
    header = ("relative error of loss", "runs", "mean", "largest", "bias")
    return Drawn("Errors", header, tuple(rows), frozenset({1, 2, 3, 4}))


def chart(fitted: Report, table: Table) -> charts.Chart:
    """Chart of predicted against observed loss, with one series per range of repetition."""
    repetition = table.runs.repetition
    groups = (
        ("each token once", repetition <= 1 + 1e-6),
        ("up to 4 epochs", (repetition > 1 + 1e-6) & (repetition <= 4)),
        ("more than 4 epochs", repetition > 4),
    )
    series = tuple(
        charts.Series(name, points(table.runs.loss[inside], fitted.predicted[inside]), line=False)
        for name, inside in groups
        if inside.any()
    )
    low, high = float(table.runs.loss.min()), float(table.runs.loss.max())
    ideal = charts.Series("equal", tuple((float(x), float(x)) for x in np.linspace(low, high, 40)))
    return charts.Chart(f"{fitted.file.law}: predicted and observed loss", "observed", "predicted", (ideal, *series))


def points(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple((float(a), float(b)) for a, b in zip(x, y, strict=True))


def plot(fitted: Report, table: Table) -> str:
    """Renders the chart as SVG."""
    return charts.svg(chart(fitted, table))
