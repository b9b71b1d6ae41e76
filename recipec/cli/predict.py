"""`recipec predict`: predicts the loss of a table of runs or of a recipe under a law, for one budget or a range."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """LAW is a law file of `recipec fit`, or a published law, not fitted on your data: std.law.infolaw_2026,
std.law.muennighoff_c4, std.law.chinchilla. --law and --params replace the law and the model of a recipe.

A table of runs has the columns params, tokens and unique_tokens, or for each quality band (0 is the best) tokens_0,
unique_0, tokens_1, unique_1, …. Over a range of budgets, a run keeps its shares, and its unique tokens are its pool.

examples:
  recipec predict --law laws/ours.json --runs candidates.csv          ranked, with intervals
  recipec predict --law laws/ours.json --runs candidates.csv --json   {"runs": [{"loss", "low", "high", "info", …}]}
  recipec predict --law laws/ours.json --runs candidates.csv --budget 10B..100B --plot budget.svg
  recipec predict --law std.law.muennighoff_c4 --runs candidates.csv --params 1B..10B
  recipec predict science.recipe                                      what the plan draws, under the recipe's law
  recipec predict science.recipe --law std.law.infolaw_2026 --params 1.7B --budget 10B..100B
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", type=Path, nargs="?", help="a recipe instead of a table")
    parser.add_argument("--law", metavar="LAW", help="a law file, or std.law.NAME")
    parser.add_argument("--runs", metavar="TABLE", type=Path, help="a table of runs")
    options.add_columns(parser)
    parser.add_argument("--budget", metavar="T[..T]", type=options.span, help="tokens, for example 30B or 10B..100B")
    parser.add_argument("--params", metavar="N[..N]", type=options.span, help="parameters, for example 1.7B or 1B..10B")
    parser.add_argument(
        "--points", type=options.positive, default=9, metavar="N", help="number of points in a range (default 9)"
    )
    parser.add_argument("--plot", metavar="FILE.svg", type=Path, help="plot the loss over the range")
    options.add_parameters(parser)
    options.add_json(parser)
    options.add_resources(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    check(arguments)
    if arguments.recipe is not None:
        from recipec.cli import predict_recipe

        return predict_recipe.run(arguments)
    return run_table(arguments)


def check(arguments: argparse.Namespace) -> None:
    """Checks that the options are compatible."""
    problems = []
    if (arguments.recipe is None) == (arguments.runs is None):
        message = "`predict` needs either a recipe or a table of runs (--runs)"
        problems.append(Diagnostic("R1206", message, helps=("see `recipec predict --help`",)))
    if arguments.law is None and arguments.recipe is None:
        helps = ("write for example `--law laws/ours.json` or `--law std.law.infolaw_2026`",)
        problems.append(Diagnostic("R1206", "`predict` needs a law for a table of runs (--law)", helps=helps))
    ranges = [span for span in (arguments.budget, arguments.params) if span is not None and span[0] < span[1]]
    if len(ranges) > 1:
        problems.append(Diagnostic("R1206", "only one of --budget and --params can be a range"))
    if arguments.plot is not None and not ranges:
        helps = ("write for example `--budget 10B..100B`",)
        problems.append(
            Diagnostic("R1206", "--plot needs a range, and neither --budget nor --params is one", helps=helps)
        )
    if problems:
        raise Failure(*problems)


def run_table(arguments: argparse.Namespace) -> ExitCode:
    from recipec.cli import predict_view
    from recipec.laws import lawfile, prediction, ranges, tables

    file = lawfile.read(arguments.law, Path())
    table = tables.read(arguments.runs, options.columns(arguments.column), need_loss=False)
    runs = table.runs
    budget, params = arguments.budget, arguments.params
    if budget is not None and budget[0] == budget[1]:
        runs = prediction.scaled(runs, budget[0])
    if params is not None and params[0] == params[1]:
        runs = prediction.resized(runs, params[0])
    predicted = prediction.predict(file, runs)
    swept = None
    points = arguments.points
    if budget is not None and budget[0] < budget[1]:
        swept = ranges.sweep(file, lambda value: prediction.scaled(runs, value), budget[0], budget[1], points)
    if params is not None and params[0] < params[1]:
        swept = ranges.sweep(file, lambda value: prediction.resized(runs, value), params[0], params[1], points)
    over = "tokens" if budget is not None and budget[0] < budget[1] else "parameters"
    if arguments.plot is not None and swept is not None:
        options.write(arguments.plot, predict_view.plot(file, table, swept, over), "plot")
    predict_view.show(file, table, runs, predicted, swept, over, json=arguments.json)
    return ExitCode.OK
