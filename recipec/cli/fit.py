"""`recipec fit`: fits a law to a table of runs, with intervals, held-out errors and what the runs cannot determine."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """laws: infolaw, infolaw+, muennighoff, chinchilla

tables: .csv, .parquet or .jsonl with the columns params, tokens, loss and unique_tokens, or for each quality band
(0 is the best) tokens_0, unique_0, tokens_1, unique_1, …; optional: recipe, seed, tokenizer. Counts are raw counts,
loss is in nats per token. Map other column names with --column.

examples:
  recipec fit infolaw runs.csv -o laws/ours.json                     fit, print the report, save the law
  recipec fit muennighoff runs.parquet --column params=model_size    the table has another column name
  recipec fit infolaw runs.csv --method paper                        the paper's random search
  recipec fit muennighoff runs.csv --fix E=1.87 --fix alpha=0.353    hold parameters fixed
  recipec fit infolaw runs.csv --plot fit.svg                        plot predicted and observed losses
  recipec fit infolaw --design --compute 1e21 -o next.csv            which runs to make, before using a GPU
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("law", metavar="LAW")
    parser.add_argument("runs", metavar="RUNS", type=Path, nargs="?", help="a table of runs")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write the law file (with --design: the runs)"
    )
    options.add_columns(parser)
    parser.add_argument("--method", choices=("huber", "paper"), default="huber", help="fitting method (default huber)")
    parser.add_argument(
        "--fix", metavar="NAME=VALUE", action="append", default=[], help="hold a parameter at this value"
    )
    parser.add_argument(
        "--bootstrap", type=options.positive, default=200, metavar="N", help="bootstrap refits (default 200)"
    )
    parser.add_argument(
        "--starts", type=options.positive, default=48, metavar="N", help="starts of local fits (default 48)"
    )
    parser.add_argument(
        "--fit-seed", type=options.seed, default=0, metavar="N", help="seed of --starts and --bootstrap (default 0)"
    )
    parser.add_argument("--plot", metavar="FILE.svg", type=Path, help="draw predicted and observed losses")
    design = parser.add_argument_group("which runs to make next (--design)")
    design.add_argument("--design", action="store_true", help="propose runs; RUNS are then the runs already made")
    design.add_argument(
        "--compute",
        type=options.amount,
        default=1e21,
        metavar="FLOP",
        help="compute for all runs together (default 1e21)",
    )
    design.add_argument(
        "--params",
        type=options.span,
        default=(1e8, 1.2e9),
        metavar="N..N",
        help="range of model sizes (default 100M..1.2B)",
    )
    design.add_argument(
        "--most", type=options.positive, default=40, metavar="N", help="maximum number of runs (default 40)"
    )
    design.add_argument("--assume", metavar="LAW", help="the law assumed to be true (default: a published one)")
    design.add_argument(
        "--noise",
        type=options.percent,
        default=0.15,
        metavar="PERCENT",
        help="relative noise of the loss (default 0.15%%)",
    )
    design.add_argument(
        "--simulations", type=options.positive, default=200, metavar="N", help="simulated fits (default 200)"
    )
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    # On vectors of a dozen numbers, BLAS threads cost ten times what they gain. Read when numpy is first imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from recipec.cli import bars, fit_view
    from recipec.laws import lawfile, report, tables

    law = lawfile.find_law(arguments.law)
    if arguments.design:
        from recipec.cli import fit_design

        return fit_design.run(law, arguments)
    if arguments.runs is None:
        helps = (f"write `recipec fit {law.name} runs.csv`",)
        raise Failure(Diagnostic("R1206", "`fit` needs a table of runs", helps=helps))
    table = tables.read(arguments.runs, options.columns(arguments.column), need_loss=True)
    chosen = report.Options(
        method=arguments.method,
        samples=arguments.bootstrap,
        starts=arguments.starts,
        seed=arguments.fit_seed,
        fixed=options.fixes(arguments.fix),
    )
    with bars.progress(quiet=arguments.json) as progress:
        fitted = report.fit_law(law, table, chosen, source=f"recipec fit on {arguments.runs.name}", progress=progress)
    if arguments.output is not None:
        options.write(arguments.output, lawfile.text(fitted.file), "law file")
    if arguments.plot is not None:
        options.write(arguments.plot, fit_view.plot(fitted, table), "plot")
    fit_view.show(fitted, table, arguments)
    return ExitCode.OK
