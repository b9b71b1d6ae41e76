"""`recipec apply`: runs a saved plan, or plans a recipe and asks first."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.places import remote

if TYPE_CHECKING:
    from recipec.ir.execution import ExecutionPlan, PhasedPlan

EPILOG = """examples:
  recipec apply science.plan          run exactly the saved plan; refuse (exit 4) if a shard has changed since
  recipec apply science.plan --allow /corpus   it may use this place outside of the plan file's folder, too
  recipec apply science.recipe        plan, show the plan, ask, run
  recipec apply science.recipe --yes  the same without asking
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PLANFILE|RECIPE", type=Path)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")
    options.add_allow(parser)
    options.add_run(parser, engine="the plan file's engine, or local")


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import pipeline
    from recipec.cli import bars, views
    from recipec.ir.execution import PhasedPlan
    from recipec.numbers import count
    from recipec.planning import cautions, planfile

    settings = pipeline.settings(arguments.path, memory=arguments.memory, threads=arguments.threads)
    with bars.progress(quiet=arguments.json) as progress:
        if options.is_plan_file(arguments.path):
            if arguments.parameters:
                raise Failure(Diagnostic("R0702", "the parameters of a plan file are fixed; `--set` needs a recipe"))
            plan: ExecutionPlan | PhasedPlan = planfile.read(arguments.path)
            for one in plan.phases if isinstance(plan, PhasedPlan) else (plan,):
                pipeline.admit(one, arguments.path, arguments.allow)
        else:
            planned = pipeline.plan(
                arguments.path,
                options.overrides(arguments.parameters),
                score=arguments.yes,
                limit=pipeline.TEXT_LIMIT,
                settings=settings,
                device=arguments.device,
                engine=arguments.engine,
                progress=progress,
            )
            plan = planned.whole
            views.show_diagnostics(planned.diagnostics, json=False)
    if not options.is_plan_file(arguments.path) and not arguments.yes:
        confirm(plan)
    with bars.progress(quiet=arguments.json) as progress:
        # In training order; datasets that already exist are left as they are.
        made = [
            pipeline.apply(one, settings=settings, device=arguments.device, engine=arguments.engine, progress=progress)
            for one in (plan.phases if isinstance(plan, PhasedPlan) else (plan,))
        ]
    if arguments.json:
        text = [manifest.model_dump_json(indent=2) for manifest in made]
        print(f"[{', '.join(text)}]" if isinstance(plan, PhasedPlan) else text[0])
        return ExitCode.OK
    folder = Path(plan.phases[0].folder if isinstance(plan, PhasedPlan) else plan.folder)
    for manifest in made:
        destination = remote.at(manifest.recipe.output.path, folder) if manifest.recipe.output else folder
        rows, tokens = count(manifest.rows), count(manifest.tokens)
        print(f"{destination}: {rows} rows, {tokens} tokens, digest {manifest.digest[:16]}, seal {manifest.seal}")
        if unreadable := cautions.unreadable(manifest.selection):
            print(f"unreadable: {unreadable}; see {destination / 'unreadable'}")
    print(f"why is a document in or out: recipec explain {destination} DOC", file=sys.stderr)
    return ExitCode.OK


def confirm(plan: ExecutionPlan | PhasedPlan) -> None:
    """Shows the plan and asks for confirmation; any answer but yes stops without changing anything."""
    from recipec.cli import plan_view

    plan_view.print_plan(plan, full=False)
    if not sys.stdin.isatty():
        raise Failure(
            Diagnostic(
                "R0703",
                "`apply` of a recipe asks before it runs, and standard input is not a terminal",
                helps=("add `--yes`, or save a plan with `recipec plan -o FILE` and apply that",),
            )
        )
    if input("apply this plan? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise Failure(Diagnostic("R0704", "not applied"))
