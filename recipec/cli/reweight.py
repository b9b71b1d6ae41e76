"""`recipec reweight`: TiKMiX's domain weights for a table of influences."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """S.csv has a column `task` and then a column a domain: how much a domain helps a task, larger is more. w.csv has the
columns `domain` and `weight`: the weights that no task may fare worse than.

`direct` solves min α·std(P̂) − β·ΣP̂ − γ·H(w) exactly. `model` tries mixtures around that answer, labels them by influence or
as --labels says, fits LightGBM and a linear predictor, and searches by the one that is better on labels it has not seen.

examples:
  recipec reweight --influence S.csv --prior w.csv -o weights.json     then `mixture from "weights.json"`
  recipec reweight --influence S.csv --prior w.csv --quota code=20%..35% --quota web=..40% --json
  recipec reweight --influence S.csv --prior w.csv --method model --candidates try.csv     256 mixtures to train on
  recipec reweight --influence S.csv --prior w.csv --method model --labels tried.csv       the same with a column `gain`
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--influence", metavar="S.csv", type=Path, required=True, help="tasks × domains")
    parser.add_argument("--prior", metavar="w.csv", type=Path, required=True, help="the weights of now")
    parser.add_argument("--method", choices=("direct", "model"), default="direct", help="TiKMiX-D (default) or -M")
    parser.add_argument("--quota", metavar="DOMAIN=A..B", action="append", default=[], help="bounds of a weight")
    for name, what in (("alpha", "the spread of gains"), ("beta", "gains"), ("gamma", "the entropy of weights")):
        parser.add_argument(f"--{name}", type=float, default=1.0, metavar="X", help=f"the worth of {what} (default 1)")
    parser.add_argument("--candidates", metavar="FILE.csv", type=Path, help="write the mixtures to label, and end")
    parser.add_argument("--labels", metavar="TABLE", type=Path, help="mixtures with their `gain`, larger is better")
    parser.add_argument("-o", "--output", metavar="FILE.json", type=Path, help="write the weights for `mixture from`")
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from recipec.cli import reweight_view, views
    from recipec.reweighting import inputs, modelled, solver
    from recipec.reweighting.report import Report

    if arguments.method == "direct" and (arguments.labels or arguments.candidates):
        raise Failure(Diagnostic("R1304", "--labels and --candidates go with `--method model`"))
    problem = inputs.read(arguments.influence, arguments.prior, arguments.quota)
    problem = inputs.weighted(problem, arguments.alpha, arguments.beta, arguments.gamma)
    direct = solver.solve(problem)
    found = Report(problem, direct.weights, direct)
    if arguments.candidates is not None:
        mixtures = modelled.candidates(problem, direct.weights)
        reweight_view.write_mixtures(arguments.candidates, problem, mixtures)
        return ExitCode.OK
    if arguments.method == "model":
        if arguments.labels is not None:
            mixtures, gains = inputs.labels(arguments.labels, problem)
        else:
            mixtures = modelled.candidates(problem, direct.weights)
            gains = modelled.influence_labels(problem, mixtures)
        fitted = modelled.search(problem, direct.weights, mixtures, gains)
        found = Report(problem, fitted.weights, direct, fitted)
    if arguments.output is not None:
        reweight_view.write(arguments.output, found, (arguments.influence, arguments.prior))
    reweight_view.show(found, json=arguments.json)
    if not arguments.json:
        views.show_diagnostics(found.warnings(), json=False)
    return ExitCode.OK
