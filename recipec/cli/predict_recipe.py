"""`recipec predict RECIPE`: a law's prediction for what the recipe's plan draws, at one budget or over a range."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from recipec import pipeline
from recipec.cli import bars, charts, forecast_view, options, views
from recipec.cli.console import draw_table, stdout
from recipec.cli.predict_view import caveats
from recipec.cli.tables import Table
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.ir import model
from recipec.ir.forecast import Forecast
from recipec.laws import lawfile
from recipec.laws.lawfile import LawFile
from recipec.laws.ranges import LEAST_WORTH
from recipec.numbers import count, plain, share

PRESENT = 0.005
"""The smallest share at which a domain or band counts as part of a mixture."""


def run(arguments: argparse.Namespace) -> ExitCode:
    settings = pipeline.settings(arguments.recipe, memory=arguments.memory, threads=arguments.threads)
    with bars.progress(quiet=arguments.json) as progress:
        planned = pipeline.plan(
            arguments.recipe,
            options.overrides(arguments.parameters),
            judge=False,
            settings=settings,
            progress=progress,
        )
    path, file = law_of(arguments, planned.plan.recipe)
    sizes = arguments.params or (own_size(planned.plan.recipe),) * 2
    params, tokens = steps(sizes, arguments.points), steps(arguments.budget, arguments.points)
    found = pipeline.forecasts(planned.plan, file, path, params=params, tokens=tokens, settings=settings)
    over, values = ("tokens", tokens) if len(tokens) > 1 else ("parameters", params)
    if all(isinstance(one, Failure) for one in found):
        raise next(one for one in found if isinstance(one, Failure))
    if arguments.plot is not None:
        options.write(arguments.plot, charts.svg(chart(file, over, values, found)), "plot")
    show(file, over, values, found, json_=arguments.json)
    if not arguments.json:
        views.show_diagnostics(planned.diagnostics, json=False)
    return ExitCode.OK


def law_of(arguments: argparse.Namespace, recipe: model.Recipe) -> tuple[str, LawFile]:
    """The law given by --law, else the recipe's own."""
    if arguments.law is not None:
        return arguments.law, lawfile.read(arguments.law, Path())
    if recipe.budget is None or recipe.budget.law is None:
        helps = ("write for example `--law std.law.infolaw_2026`, or a `law` in the budget",)
        raise Failure(Diagnostic("R1206", "the recipe has no `law`, and there is no --law", helps=helps))
    return recipe.budget.law.path, lawfile.read(recipe.budget.law.path, Path(recipe.folder))


def own_size(recipe: model.Recipe) -> float:
    if recipe.budget is None or recipe.budget.model is None:
        helps = ("write for example `--params 1.7B`, or `model 1.7B params` in the budget",)
        raise Failure(Diagnostic("R1206", "the recipe has no `model`, and there is no --params", helps=helps))
    return float(recipe.budget.model)


def steps(span: tuple[float, float] | None, points: int) -> list[float]:
    """Values evenly spaced in the logarithm; one value if the span has zero width, none without a span."""
    if span is None:
        return []
    low, high = span
    if low == high or points == 1:
        return [low]
    return [low * (high / low) ** (index / (points - 1)) for index in range(points)]


def show(
    file: LawFile, over: str, values: Sequence[float], found: Sequence[Forecast | Failure], *, json_: bool
) -> None:
    """Prints one forecast in full, or a range as a table, a sketch and its conclusions."""
    if json_:
        print(json.dumps(as_json(over, values, found), indent=2, ensure_ascii=False))
        return
    console = stdout()
    if len(found) == 1:
        for table in forecast_view.tables(done(found[0])):
            draw_table(console, table)
    else:
        draw_table(console, range_table(over, values, found))
        console.print()
        print(charts.sketch(chart(file, over, values, found)))
        print()
        for line in conclusions(over, values, found):
            print(line)
    for line in caveats(file):
        print(line, file=sys.stderr)


def done(found: Forecast | Failure) -> Forecast:
    if isinstance(found, Failure):
        raise found
    return found


def as_json(over: str, values: Sequence[float], found: Sequence[Forecast | Failure]) -> dict[str, object]:
    """JSON output: `runs` as for a table of runs (null where the budget is infeasible), `forecasts` in full."""
    runs = [
        None
        if isinstance(one, Failure)
        else {
            "loss": one.loss,
            "low": one.low,
            "high": one.high,
            "info": one.info,
            "warnings": list(one.warnings),
        }
        for one in found
    ]
    whole = [
        {"diagnostics": [views.as_json(diagnostic) for diagnostic in one.diagnostics]}
        if isinstance(one, Failure)
        else one.model_dump(mode="json")
        for one in found
    ]
    return {"runs": runs, "over": over, "values": list(values), "forecasts": whole}


def range_table(over: str, values: Sequence[float], found: Sequence[Forecast | Failure]) -> Table:
    rows = tuple(row(value, one) for value, one in zip(values, found, strict=True))
    header = (over, "loss", "95% interval", "lost", "epochs", "best loss", "regret", "best mixture")
    return Table(f"Predicted loss by {over}", header, rows, frozenset(range(1, 7)) | {0})


def row(value: float, one: Forecast | Failure) -> tuple[str, ...]:
    if isinstance(one, Failure):
        return count(value), "—", "infeasible", "", "", "", "", one.diagnostics[0].message
    best = sorted(one.domains, key=lambda domain: -(domain.best or 0.0))[:4]
    return (
        count(value),
        f"{one.loss:.4f}",
        f"{one.low:.3f} to {one.high:.3f}",
        "—" if one.wasted is None else share(one.wasted),
        plain(one.repetition, 3),
        "—" if one.best_loss is None else f"{one.best_loss:.4f}",
        "—" if one.regret is None else f"{one.regret:.4f}",
        "" if one.best_loss is None else ", ".join(f"{domain.domain} {share(domain.best or 0.0)}" for domain in best),
    )


def chart(file: LawFile, over: str, values: Sequence[float], found: Sequence[Forecast | Failure]) -> charts.Chart:
    known = [(value, one) for value, one in zip(values, found, strict=True) if isinstance(one, Forecast)]
    series = [
        charts.Series(
            "the recipe",
            tuple((value, one.loss) for value, one in known),
            tuple((one.low, one.high) for _, one in known),
        ),
        charts.Series("all distinct", tuple((value, one.fresh_loss) for value, one in known)),
    ]
    best = tuple((value, one.best_loss) for value, one in known if one.best_loss is not None)
    if best:
        series.append(charts.Series("best mixture", best))
    return charts.Chart(f"predicted loss under {file.law}", over, "loss", tuple(series), log_x=True)


def conclusions(over: str, values: Sequence[float], found: Sequence[Forecast | Failure]) -> list[str]:
    """Lines saying where the best mixture changes, where repetition stops paying, and where no plan is possible."""
    known = [(value, one) for value, one in zip(values, found, strict=True) if isinstance(one, Forecast)]
    lines = []
    for (low, before), (high, after) in itertools.pairwise(known):
        changes = changed(before, after)
        if changes:
            lines.append(
                f"between {count(low)} and {count(high)} {over} the best mixture changes: {'; '.join(changes)}"
            )
    if known and known[0][1].best_loss is not None and not lines:
        lines.append("the best mixture has the same domains and bands over the whole range")
    if over == "tokens":
        stops = stop(known)
        lines.append(
            "repetition pays over the whole range, as far as the law can tell"
            if stops is None
            else f"more repetition stops paying at about {count(stops)} tokens (a further one lowers the loss by less "
            f"than {LEAST_WORTH:.0%} of what a fresh one would)"
        )
    gone = [value for value, one in zip(values, found, strict=True) if isinstance(one, Failure)]
    if gone:
        lines.append(f"infeasible at {', '.join(count(value) for value in gone)} {over}")
    return lines


def changed(before: Forecast, after: Forecast) -> list[str]:
    """The domains and bands that the best mixture adds or drops from `before` to `after`."""
    pairs = [
        (f"domain `{one.domain}`", one.best or 0.0, other.best or 0.0)
        for one, other in zip(before.domains, after.domains, strict=True)
    ]
    pairs += [
        (f"ranks {share(one.low)} to {share(one.high)}", one.best or 0.0, other.best or 0.0)
        for one, other in zip(before.bands, after.bands, strict=True)
    ]
    return [f"{name} {share(old)} → {share(new)}" for name, old, new in pairs if (old >= PRESENT) != (new >= PRESENT)]


def stop(known: Sequence[tuple[float, Forecast]]) -> float | None:
    """The first budget at which another token lowers the loss by less than `LEAST_WORTH` of what a fresh one would."""
    for (low, before), (high, after) in itertools.pairwise(known):
        possible = before.fresh_loss - after.fresh_loss
        if possible > 0 and (before.loss - after.loss) / possible < LEAST_WORTH:
            return math.sqrt(low * high)
    return None
