"""The command line: finds the command, parses its arguments, shows its diagnostics, exits with its code.

A command is one line in `COMMANDS` and one module of this package with `EPILOG` (examples), `add_arguments(parser)` and
`run(arguments) -> ExitCode`. Only the module of the called command is imported, so that `--help` stays fast.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from recipec import __version__, progress
from recipec.cli import interrupts, options, streams, views
from recipec.diagnostics import ExitCode, Failure
from recipec.places import descriptors, sealed

COMMANDS = {
    "init": "write a starter recipe from the schema of a folder's shards",
    "fmt": "rewrite recipes in canonical form",
    "check": "parse, resolve and type-check recipes; reads no data except schemas",
    "plan": "index, estimate, allocate and predict; print the plan",
    "apply": "write the dataset of a plan or a recipe",
    "explain": "say why a document is in or out, and what would change that",
    "diff": "compare two recipes, plans or datasets, down to documents",
    "export": "write the scores of a recipe's documents as files that other recipes join",
    "show": "print a recipe at any stage, a plan, a dataset, or a report of `search` or `reweight`",
    "verify": "check a dataset's seal, checksums, counts and conservation, and that its ledger re-derives the selection",
    "model": "add, list and remove the language models that score documents",
    "probe": "test whether a target's neurons tell its own documents from others",
    "fit": "fit a law of loss to a table of runs, or propose the runs to make next",
    "predict": "predict the loss of a table of runs or of a recipe under a law",
    "search": "find the best sampling parameters by proxy runs, or the best mixture from a table of runs",
    "reweight": "compute domain weights from the influence of domains on tasks",
    "state": "list what the recipes of a folder have stored, and which of them use it",
    "gc": "remove stored results that no recipe of a folder and no dataset of theirs uses",
    "quickstart": "try everything on text that every Python installation has",
}


class Parser(argparse.ArgumentParser):
    """An argument parser that exits with 64 on a usage error, as documented."""

    def error(self, message: str) -> None:  # type: ignore[override]  # argparse declares NoReturn, and this never returns
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(int(ExitCode.USAGE))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; without `argv`, it is the process's own command line."""
    if argv is not None:
        with streams.guarded():
            return _main(argv)
    # Little of what is imported or parsed is ever garbage. Collecting at the default 700 new objects, and once more at
    # exit, takes a tenth of the time of a short command.
    gc.set_threshold(100_000, 20, 20)
    # Processes that this one starts import nothing from the current folder, which may be a stranger's.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    descriptors.raise_limit()
    streams.prepare()
    interrupts.prepare()
    try:
        return _main(sys.argv[1:])
    except BrokenPipeError:
        streams.abandon()
        return int(ExitCode.ERROR)
    finally:
        interrupts.end()
        gc.freeze()


def _main(argv: Sequence[str]) -> int:
    words = list(argv)
    parser = Parser(prog="recipec", description="A compiler for language-model pretraining data.")
    parser.add_argument("--version", action="version", version=f"recipec {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        if words and words[0] == name:
            module = importlib.import_module(f"recipec.cli.{name}")
            command.description, command.epilog = text, module.EPILOG
            module.add_arguments(command)
    arguments = parser.parse_args(words)
    module = importlib.import_module(f"recipec.cli.{arguments.command}")
    json = getattr(arguments, "json", False)
    if json:
        streams.as_json()
    try:
        options.check_places(words, arguments)
        with progress.noting(views.show_note):
            # Stored results that turn out to be damaged are made again by the same command.
            code = int(sealed.again(lambda: module.run(arguments)))
        return code if (stuck := streams.flush()) is None else _show(stuck, json=False)
    except Failure as failure:
        return _show(failure, json=json)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        raise
    except Exception as error:
        # DuckDB raises its own error for an interrupt in the middle of a query.
        if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
            return _interrupted()
        if (stuck := streams.flush()) is not None:
            return _show(stuck, json=False)
        reached = _limit_reached(error)
        if reached is None:
            raise
        return _show(reached, json=json)


def _show(failure: Failure, *, json: bool) -> int:
    views.show_diagnostics(failure.diagnostics, json=json)
    if json and streams.flush() is not None:
        # Standard output, to which JSON goes, may be what failed.
        views.show_diagnostics(failure.diagnostics, json=False)
    return int(failure.exit_code)


def _interrupted() -> int:
    print("interrupted; nothing is half-written, run the command again to continue", file=sys.stderr)
    return int(ExitCode.INTERRUPTED)


def _limit_reached(error: Exception) -> Failure | None:
    """The failure for an error that comes from a limit of the machine, wherever it was met; None for others."""
    if not isinstance(error, (OSError, MemoryError, RuntimeError)) and type(error).__module__ not in (
        "duckdb",
        "_duckdb",
    ):
        return None
    # Imported here: it loads the engine, which errors of other kinds need not wait for.
    from recipec.database.disk import limit_reached

    return limit_reached(error, "")
