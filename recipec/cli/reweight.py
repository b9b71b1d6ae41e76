"""`recipec reweight`: TiKMiX's domain weights, from a table of influences or from those measured at a checkpoint."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

if TYPE_CHECKING:
    from recipec.arrays import Array
    from recipec.ir import model
    from recipec.tikmix import Measured
    from recipec.tikmix.problem import InfluenceProblem

EPILOG = """With a recipe and a checkpoint (a folder or the name of an added model), the influence of each domain of the
pool on each target is measured: gradients of the loss on the target's held-out examples against gradients on equal
samples of the domains. The recipe's quotas and repetition limits are constraints; its explicit mixture, else the token
shares of the pool, is the prior.

With tables: S.csv has a column `task` and one column per domain: how much the domain helps the task, larger is more.
w.csv has the columns `domain` and `weight`: the prior weights, below whose gain no task may fall.

`direct` solves min α·std(P̂) − β·ΣP̂ − γ·H(w) exactly. `model` tries 256 mixtures around that answer, labels each by a
few training steps from the checkpoint (with tables alone: by influence, or from --labels), fits LightGBM and a linear
predictor, and searches with the one that is better on held-out labels.

examples:
  recipec reweight science.recipe --checkpoint ckpt-200B -o weights.json       then `mixture from "weights.json"`
  recipec reweight science.recipe --checkpoint smollm2-135m --tokens 8192 --table S.csv
  recipec reweight --influence S.csv --prior w.csv --quota code=20%..35% --quota web=..40% --json
  recipec reweight --influence S.csv --prior w.csv --method model --candidates try.csv     256 mixtures to train on
  recipec reweight --influence S.csv --prior w.csv --method model --labels tried.csv       the same with a column `gain`
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe", metavar="RECIPE", type=Path, nargs="?", help="the recipe whose domains, targets and limits to use"
    )
    parser.add_argument("--checkpoint", metavar="MODEL", help="the model at which influence is measured")
    parser.add_argument(
        "--target",
        metavar="NAME",
        action="append",
        default=[],
        help="a target to use as a task; repeatable (default: every target)",
    )
    parser.add_argument(
        "--curvature",
        choices=("ekfac", "kfac", "diagonal", "identity"),
        default="ekfac",
        help="approximation of the curvature of the loss (default ekfac)",
    )
    parser.add_argument(
        "--layers", choices=("mlp", "all"), default="mlp", help="linear layers whose gradients count (default mlp)"
    )
    parser.add_argument(
        "--tokens", type=options.positive, default=32_768, metavar="N", help="tokens per domain (default 32768)"
    )
    parser.add_argument(
        "--length", type=options.positive, default=256, metavar="N", help="tokens per sequence (default 256)"
    )
    parser.add_argument(
        "--parts", type=options.positive, default=4, metavar="R", help="parts per sample, for the errors (default 4)"
    )
    parser.add_argument("--table", metavar="FILE.csv", type=Path, help="write the measured influence")
    parser.add_argument(
        "--influence", metavar="S.csv", type=Path, help="influence, tasks × domains, instead of a recipe"
    )
    parser.add_argument("--prior", metavar="w.csv", type=Path, help="the present weights")
    parser.add_argument("--method", choices=("direct", "model"), default="direct", help="TiKMiX-D (default) or -M")
    parser.add_argument(
        "--quota", metavar="DOMAIN=A..B", action="append", default=[], help="bounds of a domain's weight"
    )
    for name, what in (("alpha", "the spread of gains"), ("beta", "gains"), ("gamma", "the entropy of weights")):
        parser.add_argument(
            f"--{name}", type=options.number, default=1.0, metavar="X", help=f"coefficient of {what} (default 1)"
        )
    parser.add_argument("--candidates", metavar="FILE.csv", type=Path, help="write the mixtures to label, and stop")
    parser.add_argument("--labels", metavar="TABLE", type=Path, help="mixtures with their `gain`; larger is better")
    parser.add_argument(
        "--label",
        choices=("lookahead", "influence"),
        default="lookahead",
        help="how mixtures are labelled with a recipe: by a few training steps (default), or by influence",
    )
    parser.add_argument(
        "--ahead",
        type=options.positive,
        default=32_768,
        metavar="N",
        help="tokens per look-ahead training (default 32768)",
    )
    parser.add_argument(
        "--rate",
        type=options.above_zero,
        default=1e-4,
        metavar="X",
        help="learning rate of the look-ahead (default 0.0001)",
    )
    parser.add_argument("-o", "--output", metavar="FILE.json", type=Path, help="write the weights for `mixture from`")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the report as an HTML page with the heat map")
    options.add_run(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from recipec.cli import reweight_view, views
    from recipec.tikmix import answering, inputs, modelled, proposing, solver, weighing

    check(arguments)
    measured, recipe = _measured(arguments) if arguments.recipe is not None else (None, None)
    if measured is not None and recipe is not None:
        problem = weighing.problem(measured, recipe)
    else:
        problem = inputs.read(arguments.influence, arguments.prior, arguments.quota)
    problem = inputs.weighted(problem, arguments.alpha, arguments.beta, arguments.gamma)
    if arguments.candidates is not None:
        mixtures = modelled.candidates(problem, solver.solve(problem).weights)
        reweight_view.write_mixtures(arguments.candidates, problem, mixtures)
        return ExitCode.OK
    labelled = inputs.labels(arguments.labels, problem) if arguments.labels is not None else None
    if arguments.method == "model" and labelled is None and recipe is not None and arguments.label == "lookahead":
        labelled = _looked_ahead(arguments, problem)
    report = answering.answer(problem, arguments.method, labelled)
    found = report.record()
    if measured is not None and recipe is not None:
        found = proposing.record(report, measured, recipe)
    if arguments.output is not None:
        tables = [path for path in (arguments.influence, arguments.prior) if path is not None]
        reweight_view.write(arguments.output, found, tables)
    if arguments.html is not None:
        options.write(arguments.html, reweight_view.page(found), "page")
    reweight_view.show(found, json=arguments.json)
    if not arguments.json:
        views.show_diagnostics(reweight_view.warnings(found), json=False)
    return ExitCode.OK


def check(arguments: argparse.Namespace) -> None:
    """Checks that the options are compatible."""
    problems = []
    if arguments.recipe is None:
        missing = [name for name in ("influence", "prior") if getattr(arguments, name) is None]
        problems += [f"without a recipe `reweight` needs --{name}" for name in missing]
        if arguments.checkpoint is not None:
            problems.append("--checkpoint needs a recipe, for its domains and targets")
    else:
        if arguments.checkpoint is None:
            problems.append("a recipe needs --checkpoint, the model at which influence is measured")
        problems += [
            f"--{name} does not go with a recipe, which says it itself"
            for name in ("influence", "prior", "quota")
            if getattr(arguments, name)
        ]
    if arguments.method == "direct" and (arguments.labels or arguments.candidates):
        problems.append("--labels and --candidates go with `--method model`")
    if problems:
        raise Failure(*(Diagnostic("R1304", problem, helps=("see `recipec reweight --help`",)) for problem in problems))


def _looked_ahead(arguments: argparse.Namespace, problem: InfluenceProblem) -> tuple[Array, Array]:
    from recipec import pipeline
    from recipec.cli import bars
    from recipec.tikmix import modelled, solver
    from recipec.tikmix.lookahead import Ahead

    mixtures = modelled.candidates(problem, solver.solve(problem).weights)
    ahead = Ahead(checkpoint=arguments.checkpoint, tokens=arguments.ahead, length=arguments.length, rate=arguments.rate)
    with bars.progress(quiet=arguments.json) as progress:
        return pipeline.look_ahead(
            arguments.recipe,
            options.overrides(arguments.parameters),
            ahead,
            problem.tasks,
            problem.domains,
            mixtures,
            settings=pipeline.settings(arguments.recipe, memory=arguments.memory, threads=arguments.threads),
            device=arguments.device,
            engine=arguments.engine,
            progress=progress,
        )


def _measured(arguments: argparse.Namespace) -> tuple[Measured, model.Recipe]:
    from recipec import pipeline
    from recipec.cli import bars, reweight_view
    from recipec.tikmix import Options

    chosen = Options(
        checkpoint=arguments.checkpoint,
        targets=tuple(arguments.target),
        curvature=arguments.curvature,
        layers=arguments.layers,
        tokens=arguments.tokens,
        length=arguments.length,
        shards=arguments.parts,
    )
    with bars.progress(quiet=arguments.json) as progress:
        found, recipe = pipeline.measure_influence(
            arguments.recipe,
            options.overrides(arguments.parameters),
            chosen,
            settings=pipeline.settings(arguments.recipe, memory=arguments.memory, threads=arguments.threads),
            device=arguments.device,
            engine=arguments.engine,
            progress=progress,
        )
    if arguments.table is not None:
        reweight_view.write_influence(arguments.table, found)
    return found, recipe
