"""`recipec check`: parses, resolves and type-checks recipes; reads no data except schemas."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure, has_errors

EPILOG = """examples:
  recipec check science.recipe                 report every mistake in the file in one run
  recipec check *.recipe --json                the same as JSON
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", metavar="RECIPE", type=Path, nargs="+")
    options.add_parameters(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import pipeline
    from recipec.cli import views

    found: list[Diagnostic] = []
    overrides = options.overrides(arguments.parameters)
    for path in arguments.recipes:
        try:
            found += pipeline.compile_recipe(path, overrides).diagnostics
        except Failure as failure:
            found += failure.diagnostics
    views.show_diagnostics(found, json=arguments.json)
    if has_errors(found):
        return ExitCode.ERROR
    if not arguments.json:
        print(f"{len(arguments.recipes)} {'recipe' if len(arguments.recipes) == 1 else 'recipes'} fine")
    return ExitCode.OK
