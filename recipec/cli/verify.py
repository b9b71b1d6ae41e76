"""`recipec verify`: checks that a dataset matches its manifest, and that its ledger re-derives the selection."""

from __future__ import annotations

import argparse
import re

from recipec.cli import options
from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """examples:
  recipec verify out/science          seal, checksums, counts, conservation, every decision derived again
  recipec verify out/science --expect 9d0c1f53b0a7e6d2
                                      the same, and that it is the dataset whose seal was written down elsewhere
  recipec verify out/science --json   as JSON: {"diagnostics": […]}, empty if the dataset is correct
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="DATASET", type=options.place)
    parser.add_argument(
        "--expect",
        metavar="SEAL",
        type=_seal,
        help="the seal that `apply` printed, or that of the plan that `plan` printed: at least its first 16 digits",
    )
    options.add_json(parser)
    options.add_resources(parser)


def _seal(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{16,64}", text):
        raise argparse.ArgumentTypeError("expected 16 to 64 hexadecimal digits")
    return text.lower()


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import dataset
    from recipec.cli import bars, views
    from recipec.database.connection import Settings, connect
    from recipec.numbers import count

    path = options.located(arguments.path)
    if not options.is_dataset(path):
        raise Failure(Diagnostic("R0705", f"`{arguments.path}` is not a dataset: expected a folder with manifest.json"))
    described = dataset.read_manifest(path)
    settings = Settings(memory=arguments.memory, threads=arguments.threads)
    with bars.progress(quiet=arguments.json) as progress, connect(settings, folders=[path]) as connection:
        diagnostics = dataset.verify(connection, path, progress, arguments.expect or "")
    if diagnostics:
        views.show_diagnostics(diagnostics, json=arguments.json)
        return ExitCode.ERROR
    files = len(described.data) + len(described.ledger) + len(described.unreadable)
    if arguments.json:
        views.show_diagnostics((), json=True)
    else:
        print(
            f"ok: {files:,} files, {count(described.rows)} rows, {count(described.tokens)} tokens, "
            f"{described.selection.candidates:,} decisions derived again, digest {described.digest[:16]}, "
            + (f"seal {described.seal}" if described.seal else "no seal: written by an earlier version")
        )
    return ExitCode.OK
