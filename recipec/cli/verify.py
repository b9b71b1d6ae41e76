"""`recipec verify`: checks that a dataset matches its manifest, and that its ledger re-derives the selection."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """examples:
  recipec verify out/science          checksums, counts, conservation, every decision derived again
  recipec verify out/science --json   as JSON: {"diagnostics": […]}, empty if the dataset is correct
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="DATASET", type=Path)
    options.add_json(parser)
    options.add_resources(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import dataset
    from recipec.cli import bars, views
    from recipec.database.connection import Settings, connect
    from recipec.numbers import count

    if not options.is_dataset(arguments.path):
        raise Failure(Diagnostic("R0705", f"`{arguments.path}` is not a dataset: expected a folder with manifest.json"))
    described = dataset.read_manifest(arguments.path)
    settings = Settings(memory=arguments.memory, threads=arguments.threads)
    with bars.progress(quiet=arguments.json) as progress, connect(settings, folders=[arguments.path]) as connection:
        diagnostics = dataset.verify(connection, arguments.path, progress)
    if diagnostics:
        views.show_diagnostics(diagnostics, json=arguments.json)
        return ExitCode.ERROR
    files = len(described.data) + len(described.ledger) + len(described.unreadable)
    if arguments.json:
        views.show_diagnostics((), json=True)
    else:
        print(
            f"ok: {files:,} files, {count(described.rows)} rows, {count(described.tokens)} tokens, "
            f"{described.selection.candidates:,} decisions derived again, digest {described.digest[:16]}"
        )
    return ExitCode.OK
