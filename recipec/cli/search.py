"""`recipec search`: the best sampling parameters of a recipe by proxy runs, or what runs that others made say is best."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """With a recipe: parameters are drawn within the bounds of its `search { … }`, a small model (a proxy) is trained
on what each draw selects, and a regressor of the loss on each target ranks 100,000 further draws; the mean of the best 10 is
the answer, on which proxies are trained again, beside the default curve and natural sampling. A search that was stopped goes
on where it was. `sample quadmix from "search.json"` and `quality { weights from "search.json" }` take the answer into the
recipe.

With tables: MIXTURES has a row a run and a column a domain, shares that sum to one (RegMix's tables as they are); LOSSES a row
a run and a column a loss. Rows are joined by a column `index`, `run`, `id` or `name`, or by their order where neither table
has one.

A regressor of each target (LightGBM, or a linear one where that orders runs better that it has not seen) ranks 100,000
candidates drawn where the runs are; the mean of the best 10 is the answer. `mixture from "best.json"` takes it into a recipe.

examples:
  recipec search science.recipe -o search.json                   then `recipec show search.json`
  recipec search science.recipe --more 200 -o search.json        200 draws more, where the regressor is promising and unsure
  recipec search science.recipe --export-jobs jobs               a folder a run, for a cluster
  recipec search science.recipe --collect jobs -o search.json    with the records of the jobs that have run
  recipec search --mixtures runs.csv --losses losses.csv --target code_val_loss -o best.json
  recipec search --mixtures runs.csv --losses losses.csv --target a --target b --json
  recipec search --mixtures runs.csv --losses losses.csv --target a --predict others.csv --json
  recipec search --parameters --mixtures draws.csv --losses losses.csv --target a    columns as omega_code, lambda_web, …
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", type=Path, nargs="?", help="a recipe instead of tables")
    parser.add_argument("--runs", type=options.positive, metavar="N", help="draws, instead of the recipe's `runs`")
    parser.add_argument("--more", type=options.positive, metavar="N", help="add draws to those that have run")
    parser.add_argument("--no-confirm", action="store_true", help="train no proxies on the answer")
    parser.add_argument(
        "--export-jobs", metavar="DIR", type=Path, help="write what is to be trained as folders, and stop"
    )
    parser.add_argument(
        "--collect", metavar="DIR", type=Path, help="take the records of such folders, and train nothing"
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="write what was found as a page")
    parser.add_argument("--mixtures", metavar="TABLE", type=Path, help="what each run was trained on")
    parser.add_argument("--losses", metavar="TABLE", type=Path, help="the losses each run came to")
    parser.add_argument(
        "--target", metavar="COLUMN", action="append", default=[], help="a loss to lower; several: their mean"
    )
    parser.add_argument("--predict", metavar="TABLE", type=Path, help="other mixtures whose losses to predict")
    parser.add_argument(
        "--parameters", dest="as_parameters", action="store_true", help="the columns are parameters, and no shares"
    )
    parser.add_argument(
        "--folds", type=options.positive, default=10, metavar="N", help="of cross-validation (default 10)"
    )
    parser.add_argument(
        "--candidates", type=options.positive, default=100_000, metavar="N", help="drawn and ranked (default 100000)"
    )
    parser.add_argument("--floor", type=float, default=0.5, metavar="R", help=FLOOR_HELP)
    parser.add_argument("--seed", type=int, metavar="N", help="of the candidates of tables (default 0)")
    parser.add_argument("-o", "--output", metavar="FILE.json", type=Path, help="write the answer and its evidence")
    options.add_parameters(parser)
    options.add_json(parser)
    options.add_resources(parser)
    options.add_device(parser)
    options.add_engine(parser)


FLOOR_HELP = "held-out rank correlation under which the answer is called no better than a guess (default 0.5)"


def run(arguments: argparse.Namespace) -> ExitCode:
    check(arguments)
    if arguments.recipe is not None:
        from recipec.cli import search_recipe

        return search_recipe.run(arguments)
    return run_tables(arguments)


OF_TABLES = ("mixtures", "losses", "target", "predict", "as_parameters")

OF_RECIPES = ("runs", "more", "no_confirm", "export_jobs", "collect")


def check(arguments: argparse.Namespace) -> None:
    """What the arguments must be together."""

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
        problems.append("--export-jobs and --collect are of two commands")
    if arguments.folds < 2:
        problems.append("--folds is at least 2")
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
