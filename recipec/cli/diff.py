"""`recipec diff`: compares two recipes, plans or datasets, down to documents."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.places.remote import Remote

if TYPE_CHECKING:
    from recipec.audit.difference import Difference, Side

EPILOG = """examples:
  recipec diff v3.recipe v4.recipe      what changed in the text
  recipec diff v3.plan v4.plan          and the effect on domains (and documents, where the selection is stored)
  recipec diff out/v3 out/v4            and which documents were added and removed, by cause

Exits 0 whether or not there is a difference; the field `empty` of --json says which.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="A", type=options.place)
    parser.add_argument("new", metavar="B", type=options.place)
    parser.add_argument(
        "--documents", type=options.positive, default=10, metavar="N", help="number of documents to list (default 10)"
    )
    options.add_allow(parser)
    options.add_json(parser)
    options.add_resources(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec.audit import difference
    from recipec.database.connection import Settings, connect

    old, new = side(arguments.old, arguments.allow), side(arguments.new, arguments.allow)
    settings = Settings(memory=arguments.memory, threads=arguments.threads)
    with connect(settings, folders=[*old.folders, *new.folders]) as connection:
        result = difference.compare(connection, old, new, examples=arguments.documents)
    if arguments.json:
        print(json.dumps({"empty": result.empty, **asdict(result)}, indent=2, ensure_ascii=False))
    else:
        show(result, old, new)
    return ExitCode.OK


def side(path: Path, allowed: Sequence[Path] = ()) -> Side:
    """Loads the recipe, plan file or dataset that a path on the command line names; `allowed` as in `pipeline.admit`."""
    from recipec import dataset, pipeline
    from recipec.audit import places
    from recipec.audit.difference import Side, ledger_relation
    from recipec.database import confinement
    from recipec.planning import planfile

    label = str(path)
    path = options.located(path)
    if options.is_dataset(path):
        manifest = dataset.read_manifest(path)
        files = [path / file.path for file in manifest.ledger]
        places.check(path, files, allowed)
        folders = (path, *confinement.folders_of(files))
        inputs = (*manifest.shards, *manifest.attributes)
        return Side(label, manifest.recipe, inputs, manifest.selection, True, ledger_relation(files), folders=folders)
    if isinstance(path, Remote):
        raise Failure(Diagnostic("R0705", f"`{path}` has no manifest.json, so it is not a dataset"))
    if os.path.isdir(path):
        raise Failure(Diagnostic("R0705", f"`{path}` is a folder without manifest.json, so not a dataset"))
    if options.is_plan_file(path):
        plan = planfile.read_one(path)
        if is_stored := pipeline.is_stored(plan):
            name, _, _ = (str(path), "", "") if os.path.isfile(path) else str(path).rpartition("#")
            pipeline.admit(plan, Path(name), allowed)
        stored = pipeline.decided(plan) if is_stored else None
        ledger = ledger_relation([stored]) if stored is not None else None
        loss = plan.forecast.loss if plan.forecast is not None else None
        inputs = (*plan.shards, *plan.attributes)
        folders = (stored.parent,) if stored is not None else ()
        return Side(label, plan.recipe, inputs, plan.selection, plan.exact, ledger, loss, folders)
    return Side(label, pipeline.compile_recipe(path, {}).recipe)


def show(result: Difference, old: Side, new: Side) -> None:
    from recipec.cli.console import draw_table, stdout
    from recipec.cli.tables import Table
    from recipec.numbers import count, share

    console = stdout()
    if result.empty:
        console.print("no difference")
        return
    for line in (*result.recipe, *result.shards):
        console.print(line)
    if result.domains:
        rows = tuple(
            (c.domain, count(c.old_tokens), count(c.new_tokens), share(c.old_weight), share(c.new_weight), c.cause)
            for c in result.domains
        )
        header = ("domain", "tokens in A", "in B", "planned in A", "in B", "because of")
        draw_table(console, Table("Domains", header, rows, frozenset({1, 2, 3, 4})))
    if result.loss is not None:
        before, after = result.loss
        console.print(f"predicted loss {before:.4f} -> {after:.4f} ({after - before:+.4f})")
    if result.documents is None:
        if old.selection and new.selection:
            console.print("documents: not compared, since a side has no stored selection; apply it first")
        return
    groups = tuple((g.change, g.cause, f"{g.documents:,}", count(g.tokens)) for g in result.documents)
    draw_table(console, Table("Documents", ("change", "because of", "documents", "tokens"), groups, frozenset({2, 3})))
    named = tuple(
        (e.source, e.doc_id, e.domain, f"{e.old_copies} -> {e.new_copies}", e.cause) for e in result.examples or ()
    )
    draw_table(console, Table("For example", ("source", "document", "domain", "copies", "because of"), named))
