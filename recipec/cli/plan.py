"""`recipec plan`: shows what will be selected, what it costs, and why each step must run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import ExitCode

EPILOG = """examples:
  recipec plan science.recipe                      one screen
  recipec plan science.recipe --set budget=10B     with another value of a parameter
  recipec plan science.recipe -o science.plan      save the plan for `recipec apply science.plan`
  recipec plan science.recipe --score              compute the scores first, so that every figure is exact
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", type=Path)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write the plan file for `recipec apply`")
    parser.add_argument("--full", action="store_true", help="show every shard, filter, nested quota and step")
    parser.add_argument("--score", action="store_true", help="compute all scores first; every figure is then exact")
    parser.add_argument("--summary-md", metavar="FILE", type=Path, help="write the plan as Markdown (`-` = stdout)")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the plan as an HTML page")
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="exit 2 if `apply` would change something, else 0"
    )
    options.add_run(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import pipeline
    from recipec.cli import bars, plan_view, screen, views
    from recipec.planning import planfile

    with bars.progress(quiet=arguments.json) as progress:
        planned = pipeline.plan(
            arguments.recipe,
            options.overrides(arguments.parameters),
            score=arguments.score,
            limit=pipeline.TEXT_LIMIT,
            settings=pipeline.settings(arguments.recipe, memory=arguments.memory, threads=arguments.threads),
            device=arguments.device,
            engine=arguments.engine,
            progress=progress,
        )
    if arguments.output is not None:
        planfile.write(planned.whole, arguments.output)
    if arguments.json:
        print(planned.whole.model_dump_json(indent=2))
    elif arguments.summary_md is None or str(arguments.summary_md) != "-":
        plan_view.print_plan(planned.whole, full=arguments.full)
    if arguments.summary_md is not None:
        text = plan_view.markdown(planned.whole, full=arguments.full)
        if str(arguments.summary_md) == "-":
            print(text, end="")
        else:
            options.write(arguments.summary_md, screen.visible(text), "summary")
    if arguments.html is not None:
        options.write(arguments.html, plan_view.page(planned.whole, full=arguments.full), "page")
    views.show_diagnostics(planned.diagnostics, json=False)
    if arguments.output is not None:
        print(f"wrote {arguments.output}; run it with `recipec apply {arguments.output}`", file=sys.stderr)
    # An exact plan has run every step but `write`, so only a write can still change something.
    changes = any(
        step.action != "reuse"
        for plan in planned.plans
        for step in plan.steps
        if step.op.kind == "write" or not plan.exact
    )
    return ExitCode.CHANGES if arguments.detailed_exitcode and changes else ExitCode.OK
