"""`recipec search`: finds the best sampling parameters by proxy runs, or the best mixture from a table of runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """With a recipe: parameters are drawn within the bounds of its `search { … }`, and a small model (a proxy) is
trained on what each draw selects. One regressor of the loss per target ranks 100,000 further draws; the mean of the
best 10 is the answer. To confirm it, proxies are trained on it, on the default curve and on natural sampling. An
interrupted search continues where it stopped. `sample quadmix from "search.json"` and
`quality { weights from "search.json" }` use the answer in a recipe.

With tables: MIXTURES has one row per run and one column per domain, shares that sum to one (RegMix's tables work
unchanged); LOSSES has one row per run and one column per loss. Rows are joined by a column `index`, `run`, `id` or
`name`, or by their order if neither table has one.

One regressor per target (LightGBM, or a linear one if it ranks held-out runs better) ranks 100,000 candidates drawn
where the runs are; the mean of the best 10 is the answer. `mixture from "best.json"` uses it in a recipe.

examples:
  recipec search science.recipe -o search.json                   then `recipec show search.json`
  recipec search science.recipe --more 200 -o search.json        200 more draws, where predictions are good but unsure
  recipec search science.recipe --export-jobs jobs               one folder per run, for a cluster
  recipec search science.recipe --collect jobs -o search.json    use the records of the jobs that have run
  recipec search --mixtures runs.csv --losses losses.csv --target code_val_loss -o best.json
  recipec search --mixtures runs.csv --losses losses.csv --target a --target b --json
  recipec search --mixtures runs.csv --losses losses.csv --target a --predict others.csv --json
  recipec search --parameters --mixtures draws.csv --losses losses.csv --target a    columns omega_code, lambda_web, …
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", type=Path, nargs="?", help="a recipe instead of tables")
    parser.add_argument(
        "--runs", type=options.positive, metavar="N", help="number of draws, instead of the recipe's `runs`"
    )
    parser.add_argument(
        "--more", type=options.positive, metavar="N", help="number of draws to add to those that have run"
    )
    parser.add_argument("--no-confirm", action="store_true", help="do not train proxies on the answer")
    parser.add_argument(
        "--export-jobs", metavar="DIR", type=Path, help="write the trainings to run as folders, and stop"
    )
    parser.add_argument(
        "--collect", metavar="DIR", type=Path, help="use the records in such folders, and train nothing"
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the result as an HTML page")
    parser.add_argument("--mixtures", metavar="TABLE", type=Path, help="what each run was trained on")
    parser.add_argument("--losses", metavar="TABLE", type=Path, help="the losses of each run")
    parser.add_argument(
        "--target", metavar="COLUMN", action="append", default=[], help="a loss to minimise; if several, their mean"
    )
    parser.add_argument("--predict", metavar="TABLE", type=Path, help="other mixtures to predict the losses of")
    parser.add_argument(
        "--parameters", dest="as_parameters", action="store_true", help="the columns are parameters, not shares"
    )
    parser.add_argument(
        "--folds", type=options.positive, default=10, metavar="N", help="folds of cross-validation (default 10)"
    )
    parser.add_argument(
        "--candidates",
        type=options.positive,
        default=100_000,
        metavar="N",
        help="candidates drawn and ranked (default 100000)",
    )
    parser.add_argument("--floor", type=options.number, default=0.5, metavar="R", help=FLOOR_HELP)
    parser.add_argument(
        "--seed", type=options.seed, metavar="N", help="seed of the candidates, with tables (default 0)"
    )
    parser.add_argument("-o", "--output", metavar="FILE.json", type=Path, help="write the answer and its evidence")
    options.add_run(parser)


FLOOR_HELP = "held-out rank correlation below which the answer is flagged as no better than a guess (default 0.5)"


def run(arguments: argparse.Namespace) -> ExitCode:
    check(arguments)
    if arguments.recipe is not None:
        from recipec.cli import search_recipe

        return search_recipe.run(arguments)
    return run_tables(arguments)


OF_TABLES = ("mixtures", "losses", "target", "predict", "as_parameters")

OF_RECIPES = ("runs", "more", "no_confirm", "export_jobs", "collect")


def check(arguments: argparse.Namespace) -> None:
    """Checks that the options are compatible."""

    def stated(names: Sequence[str]) -> list[str]:
        return [f"--{name.removeprefix('as_').replace('_', '-')}" for name in names if getattr(arguments, name)]

    problems = []
    if arguments.recipe is None:
        problems += [
            f"without a recipe `search` needs --{name}" for name in OF_TABLES[:3] if not getattr(arguments, name)
        ]
        problems += [f"{name} needs a recipe" for name in stated(OF_RECIPES)]
    else:
        problems += [f"{name} goes with tables, not with a recipe" for name in stated((*OF_TABLES, "seed"))]
    if arguments.export_jobs and arguments.collect:
        problems.append("--export-jobs and --collect cannot be combined")
    if arguments.folds < 2:
        problems.append("--folds must be at least 2")
    if problems:
        raise Failure(*(Diagnostic("R1414", problem, helps=("see `recipec search --help`",)) for problem in problems))


def run_tables(arguments: argparse.Namespace) -> ExitCode:
    from recipec.cli import bars, search_show, search_view, views
    from recipec.search import answer, runs

    shares = not arguments.as_parameters
    table, excluded = runs.read(arguments.mixtures, arguments.losses, arguments.target, shares=shares)
    other = runs.mixtures_like(arguments.predict, table, shares=shares) if arguments.predict is not None else None
    with bars.progress() as progress:
        found = answer.answer(
            table,
            folds=arguments.folds,
            drawn=lambda: answer.draw(table, arguments.candidates, arguments.seed or 0, shares=shares),
            shares=shares,
            done=lambda done, total: progress("fit regressors", done, total, "steps"),
        )
    warnings = (*excluded, *answer.warnings(found, arguments.floor))
    predictions = None if other is None else (other[0], found.predict(other[1]))
    value = search_view.as_json(found, predictions, warnings)
    if arguments.output is not None:
        search_view.write(arguments.output, value, mixtures=table.digests[0], losses=table.digests[1])
    if arguments.html is not None:
        options.write(arguments.html, search_show.page(value), "page")
    search_view.show(found, predictions, value, json=arguments.json, shares=shares)
    if warnings and not arguments.json:
        views.show_diagnostics(warnings, json=False)
    return ExitCode.OK
