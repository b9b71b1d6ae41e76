"""`recipec search`: what runs with losses say is the best mixture, or the best sampling parameters."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import ExitCode

EPILOG = """MIXTURES has a row a run and a column a domain, shares that sum to one (RegMix's tables as they are); LOSSES a row
a run and a column a loss. Rows are joined by a column `index`, `run`, `id` or `name`, or by their order where neither table
has one.

A regressor of each target (LightGBM, or a linear one where that orders runs better that it has not seen) ranks 100,000
candidates drawn where the runs are; the mean of the best 10 is the answer. `mixture from "best.json"` takes it into a recipe.

examples:
  recipec search --mixtures runs.csv --losses losses.csv --target code_val_loss -o best.json
  recipec search --mixtures runs.csv --losses losses.csv --target a --target b --json
  recipec search --mixtures runs.csv --losses losses.csv --target a --predict others.csv --json
  recipec search --parameters --mixtures draws.csv --losses losses.csv --target a    columns as omega_code, lambda_web, …
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mixtures", metavar="TABLE", type=Path, required=True, help="what each run was trained on")
    parser.add_argument("--losses", metavar="TABLE", type=Path, required=True, help="the losses each run came to")
    parser.add_argument(
        "--target", metavar="COLUMN", action="append", required=True, help="a loss to lower; several: their mean"
    )
    parser.add_argument("--predict", metavar="TABLE", type=Path, help="other mixtures whose losses to predict")
    parser.add_argument("--parameters", action="store_true", help="the columns are parameters, and no shares")
    parser.add_argument(
        "--folds", type=options.positive, default=10, metavar="N", help="of cross-validation (default 10)"
    )
    parser.add_argument(
        "--candidates", type=options.positive, default=100_000, metavar="N", help="drawn and ranked (default 100000)"
    )
    parser.add_argument("--floor", type=float, default=0.5, metavar="R", help=FLOOR_HELP)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the candidates (default 0)")
    parser.add_argument("-o", "--output", metavar="FILE.json", type=Path, help="write the answer and its evidence")
    options.add_json(parser)


FLOOR_HELP = "held-out rank correlation under which the answer is called no better than a guess (default 0.5)"


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec.cli import bars, search_view, views
    from recipec.search import answer, runs

    shares = not arguments.parameters
    if arguments.folds < 2:
        arguments.folds = 2
    table, excluded = runs.read(arguments.mixtures, arguments.losses, arguments.target, shares=shares)
    other = runs.mixtures_like(arguments.predict, table, shares=shares) if arguments.predict is not None else None
    with bars.progress() as progress:
        found = answer.answer(
            table,
            folds=arguments.folds,
            drawn=lambda: answer.draw(table, arguments.candidates, arguments.seed, shares=shares),
            shares=shares,
            done=lambda done, total: progress("fit regressors", done, total, "steps"),
        )
    warnings = (*excluded, *answer.warnings(found, arguments.floor))
    predictions = None if other is None else (other[0], found.predict(other[1]))
    value = search_view.as_json(found, predictions, warnings)
    if arguments.output is not None:
        search_view.write(arguments.output, value, table.digests)
    search_view.show(found, predictions, value, json=arguments.json, shares=shares)
    if warnings and not arguments.json:
        views.show_diagnostics(warnings, json=False)
    return ExitCode.OK
