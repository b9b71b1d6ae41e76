"""`recipec probe`: tests whether a target's neurons tell its own documents from others."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import ExitCode

EPILOG = """examples:
  recipec probe science.recipe                     against 300 documents of the pool
  recipec probe science.recipe --documents 2000    tighter intervals
  recipec probe science.recipe --deactivate        also zero each target's neurons and measure the loss of the model
  recipec probe science.recipe --html probe.html   the same with plots, as an HTML page

AUC is the probability that an example of the target scores above a document of the other group: 1 is perfect
separation, 0.5 is none. Copies with words shuffled, and with numbers and names exchanged, show what the match depends
on.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", type=Path)
    parser.add_argument(
        "--documents",
        metavar="N",
        type=options.positive,
        default=300,
        help="number of documents sampled from the pool (default 300)",
    )
    parser.add_argument(
        "--deactivate",
        action="store_true",
        help="measure the loss on the examples without the target's neurons, and without random ones",
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the report as an HTML page with plots")
    options.add_run(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import pipeline
    from recipec.cli import bars, probe_view

    with bars.progress(quiet=arguments.json) as progress:
        found = pipeline.probe(
            arguments.recipe,
            options.overrides(arguments.parameters),
            documents=arguments.documents,
            deactivate=arguments.deactivate,
            settings=pipeline.settings(arguments.recipe, memory=arguments.memory, threads=arguments.threads),
            device=arguments.device,
            engine=arguments.engine,
            progress=progress,
        )
    if arguments.html is not None:
        options.write(arguments.html, probe_view.page(found, arguments.recipe.name), "page")
        print(f"wrote {arguments.html}", file=sys.stderr)
    if arguments.json:
        print(found.model_dump_json(indent=2))
    else:
        probe_view.show(found)
    return ExitCode.OK
