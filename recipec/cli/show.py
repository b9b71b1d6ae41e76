"""`recipec show`: prints a recipe at any stage of the compiler, a plan file, a dataset, or another command's report."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli import options, streams
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.places.remote import Remote

if TYPE_CHECKING:
    from recipec.ir.execution import ExecutionPlan, Manifest, PhasedPlan
    from recipec.source import Source

EPILOG = """examples:
  recipec show science.recipe --stage optimised   the steps after all rewrites
  recipec show science.recipe --stage schema      the fields of all shards, with the kinds of their values counted
  recipec show science.plan                       a saved plan, even if stale
  recipec show weights.json                       the output of `reweight -o`, with the heat map
  recipec show search.json --html search.html     the output of `search -o`: curves, importance, predicted against true
  recipec show out/science                        mixture, files and lineage of a dataset
"""

STAGES = ("ast", "schema", "model", "logical", "optimised", "plan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="RECIPE|PLANFILE|DATASET|REPORT", type=options.place)
    parser.add_argument("--stage", choices=STAGES, help="stage of a recipe (default: optimised)")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="write a report of `search` or `reweight` as an HTML page"
    )
    options.add_parameters(parser)
    options.add_json(parser)
    options.add_resources(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import dataset
    from recipec.planning import planfile

    if arguments.html is not None and not options.report_kind(arguments.path):
        message = f"`{arguments.path}` is not a report of `search` or `reweight`; only these can be written as pages"
        raise Failure(Diagnostic("R0705", message, helps=("`recipec plan --html` writes a plan",)))
    path = options.located(arguments.path)
    if options.is_dataset(path):
        manifest = dataset.read_manifest(path)
        print(manifest.model_dump_json(indent=2)) if arguments.json else show_dataset(manifest)
    elif isinstance(path, Remote):
        raise Failure(Diagnostic("R0705", f"`{path}` has no manifest.json, so it is not a dataset"))
    elif os.path.isdir(arguments.path):
        raise Failure(Diagnostic("R0705", f"`{arguments.path}` is a folder without manifest.json, so not a dataset"))
    elif options.is_plan_file(arguments.path) and (kind := options.report_kind(arguments.path)):
        show_report(kind, arguments)
    elif options.is_plan_file(arguments.path):
        whole = planfile.read(arguments.path) if os.path.isfile(arguments.path) else planfile.read_one(arguments.path)
        show_plan(whole, json=arguments.json)
    else:
        show_recipe(arguments)
    return ExitCode.OK


def show_report(kind: str, arguments: argparse.Namespace) -> None:
    """Prints a file that another command has written."""
    from recipec.cli import reweight_view, search_show, views

    if kind == search_show.KIND:
        value = search_show.read(arguments.path)
        if arguments.html is not None:
            options.write(arguments.html, search_show.page(value), "page")
        if arguments.json:
            print(json.dumps(value, indent=2, ensure_ascii=False))
        else:
            search_show.show(value)
            views.show_diagnostics(search_show.warnings(value), json=False)
        return
    if kind != reweight_view.KIND:
        message = f"`{arguments.path}` is a `{kind}`, which `show` does not know"
        raise Failure(Diagnostic("R0705", message))
    found = reweight_view.read(arguments.path)
    if arguments.html is not None:
        options.write(arguments.html, reweight_view.page(found), "page")
    reweight_view.show(found, json=arguments.json)
    if not arguments.json:
        views.show_diagnostics(reweight_view.warnings(found), json=False)


def show_plan(plan: ExecutionPlan | PhasedPlan, *, json: bool) -> None:
    from recipec.cli import plan_view

    if json:
        print(plan.model_dump_json(indent=2))
    else:
        plan_view.print_plan(plan, full=True)


def show_recipe(arguments: argparse.Namespace) -> None:
    """Prints the recipe after one stage."""
    from recipec import pipeline, planning, syntax

    stage = arguments.stage or "optimised"
    if stage == "ast":
        print_tree(syntax.load(arguments.path), json=arguments.json)
        return
    parameters = options.overrides(arguments.parameters)
    if stage == "schema":
        from recipec.cli import bars, schema_view

        with bars.progress(quiet=arguments.json) as progress:
            found = pipeline.schemas(arguments.path, parameters, progress)
        schema_view.show(found, json=arguments.json)
        return
    if stage == "plan":
        from recipec.cli import bars

        settings = pipeline.settings(arguments.path, memory=arguments.memory, threads=arguments.threads)
        with bars.progress(quiet=arguments.json) as progress:
            planned = pipeline.plan(
                arguments.path,
                parameters,
                score=False,
                limit=pipeline.TEXT_LIMIT,
                settings=settings,
                progress=progress,
            )
        show_plan(planned.whole, json=arguments.json)
        return
    recipe = pipeline.compile_recipe(arguments.path, parameters).recipe
    if stage == "model":
        streams.as_json()
        print(recipe.model_dump_json(indent=2))
        return
    logical = planning.lower(recipe)
    if stage == "optimised":
        logical = planning.optimise(logical)
    print(logical.model_dump_json(indent=2) if arguments.json else planning.text(logical))


def print_tree(source: Source, *, json: bool) -> None:
    """Prints the syntax tree as nested calls, or as JSON of class names and fields."""
    from recipec import syntax
    from recipec.cli import tree_view

    tree, diagnostics = syntax.parse(source)
    if diagnostics:
        raise Failure(*diagnostics)
    print(tree_view.as_json(tree) if json else tree_view.as_text(tree))


def show_dataset(manifest: Manifest) -> None:
    from recipec.cli.console import draw_table, stdout
    from recipec.cli.plan_view import domains
    from recipec.cli.tables import Table
    from recipec.numbers import count, share, size

    console = stdout()
    recipe = manifest.recipe
    console.print(f"dataset of {recipe.path}, seed {recipe.seed}, digest {manifest.digest}")
    makers = ", ".join([f"recipec {manifest.recipec}", *map(str, recipe.plugins)])
    console.print(f"{count(manifest.rows)} rows, {count(manifest.tokens)} tokens; by {makers}")
    draw_table(console, domains(manifest.selection, nested=True))
    totals = tuple(
        (d.domain, f"{d.documents:,}", f"{d.rows:,}", count(d.tokens), share(d.tokens / max(manifest.tokens, 1)))
        for d in manifest.domains
    )
    header = ("domain", "documents", "rows", "tokens", "share")
    draw_table(console, Table("Written", header, totals, frozenset({1, 2, 3, 4})))
    files = tuple((f.path, f"{f.rows:,}", size(f.bytes), f.sha256[:16]) for f in (*manifest.data, *manifest.ledger))
    draw_table(console, Table("Files", ("file", "rows", "bytes", "sha256"), files, frozenset({1, 2})))
    lineage = tuple((s.source, s.path, f"{s.rows:,}", s.sha256[:16]) for s in (*manifest.shards, *manifest.attributes))
    draw_table(console, Table("Lineage", ("source", "file", "rows", "sha256"), lineage, frozenset({2})))
