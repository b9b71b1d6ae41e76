"""Output of predictions for a table of runs: a ranked table, JSON in the table's order, and a chart over a range."""

from __future__ import annotations

import json as json_module
import sys
from typing import Any

from recipec.cli import charts
from recipec.cli.console import draw_table, stdout
from recipec.cli.tables import Table as Drawn
from recipec.laws.lawfile import LawFile
from recipec.laws.prediction import Prediction, ranked
from recipec.laws.ranges import LEAST_WORTH, Sweep
from recipec.laws.runs import Runs
from recipec.laws.tables import Table
from recipec.numbers import count, plain

SHOWN = 10
"""Number of runs, the best ones, in a chart or a table over a range."""


def show(
    file: LawFile, table: Table, runs: Runs, predicted: Prediction, swept: Sweep | None, over: str, *, json: bool
) -> None:
    """Prints the ranked table, and the range if one was requested; with `json`, one object."""
    if json:
        value: dict[str, Any] = {"runs": rows(predicted)}
        if swept is not None:
            value["range"] = as_json(swept, over)
        print(json_module.dumps(value, indent=2, ensure_ascii=False))
        return
    console = stdout()
    draw_table(console, ranking(file, table, runs, predicted))
    if swept is not None:
        draw_table(console, range_table(table, swept, over))
        console.print()
        print(charts.sketch(chart(file, table, swept, over)))
        print()
        for line in conclusions(file, table, swept, over):
            print(line)
    for line in caveats(file):
        print(line, file=sys.stderr)


def rows(predicted: Prediction) -> list[dict[str, Any]]:
    """One object per run, in the table's order."""
    return [
        {
            "loss": float(predicted.loss[index]),
            "low": float(predicted.low[index]),
            "high": float(predicted.high[index]),
            "info": None if predicted.info is None else float(predicted.info[index]),
            "warnings": list(predicted.warnings[index]),
        }
        for index in range(len(predicted.loss))
    ]


def as_json(swept: Sweep, over: str) -> dict[str, Any]:
    """The range as JSON; runs are numbered from 0 in the table's order."""
    return {
        "over": over,
        "values": [float(value) for value in swept.values],
        "runs": [rows(predicted) for predicted in swept.predictions],
        "best": list(swept.best),
        "changes": [{"at": one.value, "before": one.before, "after": one.after} for one in swept.changes],
        "repetition_stops_paying": list(swept.stops),
    }


def names(table: Table) -> list[str]:
    return [f"{index + 1}: {name}" for index, name in enumerate(table.recipes)]


def ranking(file: LawFile, table: Table, runs: Runs, predicted: Prediction) -> Drawn:
    known = names(table)
    lines = []
    for place, index in enumerate(ranked(predicted)):
        info = "" if predicted.info is None else plain(predicted.info[index])
        lines.append(
            (
                str(place + 1),
                known[index],
                count(float(runs.params[index])),
                count(float(runs.total[index])),
                plain(runs.repetition[index], 3),
                f"{predicted.loss[index]:.4f}",
                f"{predicted.low[index]:.3f} to {predicted.high[index]:.3f}",
                info,
                "; ".join(predicted.warnings[index]),
            )
        )
    header = ("", "row: recipe", "params", "tokens", "epochs", "loss", "95% interval", "info", "warnings")
    title = f"Predicted loss under {file.law} ({file.source})"
    return Drawn(title, header, tuple(lines), frozenset({0, 2, 3, 4, 5, 6, 7}))


def range_table(table: Table, swept: Sweep, over: str) -> Drawn:
    known = names(table)
    lines = tuple(
        (
            count(float(value)),
            known[best],
            f"{one.loss[best]:.4f}",
            f"{one.low[best]:.3f} to {one.high[best]:.3f}",
        )
        for value, one, best in zip(swept.values, swept.predictions, swept.best, strict=True)
    )
    return Drawn(f"The best run by {over}", (over, "row: recipe", "loss", "95% interval"), lines, frozenset({0, 2, 3}))


def chart(file: LawFile, table: Table, swept: Sweep, over: str) -> charts.Chart:
    known = names(table)
    chosen = sorted(range(len(known)), key=lambda index: min(float(one.loss[index]) for one in swept.predictions))
    series = tuple(
        charts.Series(
            known[index],
            tuple((float(v), float(one.loss[index])) for v, one in zip(swept.values, swept.predictions, strict=True)),
            tuple((float(one.low[index]), float(one.high[index])) for one in swept.predictions)
            if len(known) == 1
            else (),
        )
        for index in sorted(chosen[:SHOWN])
    )
    return charts.Chart(f"predicted loss under {file.law}", over, "loss", series, log_x=True)


def plot(file: LawFile, table: Table, swept: Sweep, over: str) -> str:
    """Renders the chart of the range as SVG."""
    return charts.svg(chart(file, table, swept, over))


def conclusions(file: LawFile, table: Table, swept: Sweep, over: str) -> list[str]:
    """Lines saying where the best run changes, and where repetition stops paying."""
    known = names(table)
    lines = [
        f"above {count(one.value)} {over} the best run is {known[one.after]}, below {known[one.before]}"
        for one in swept.changes
    ]
    if not swept.changes:
        lines.append(f"the best run is {known[swept.best[0]]} over the whole range")
    if over == "tokens":
        shown = [(index, stop) for index, stop in enumerate(swept.stops) if stop is not None]
        lines += [
            f"{known[index]}: repetition stops paying at {count(stop)} tokens "
            f"(a further one is worth less than {LEAST_WORTH:.0%} of a fresh one)"
            for index, stop in shown[:SHOWN]
        ]
        if not shown:
            lines.append(f"repetition pays over the whole range, as far as {file.law} can tell")
    return lines


def caveats(file: LawFile) -> list[str]:
    """Lines on how far the prediction can be trusted; always printed."""
    held_out = "; ".join(
        f"{one.mean:.1%} on {one.split}" if not file.fitted else f"{one.mean:.1%} held out by {one.split}"
        for one in file.errors
        if one.split != "in-sample"
    )
    label = "" if file.fitted else "published constants, not fitted on your data; "
    return [f"{label}mean error of this law: {held_out or 'never measured on held-out runs'}; the intervals contain it"]
