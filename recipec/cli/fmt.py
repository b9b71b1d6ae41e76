"""`recipec fmt`: rewrites recipes in canonical form."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from recipec.cli import streams
from recipec.diagnostics import Diagnostic, ExitCode, Failure, has_errors
from recipec.source import Source, read_bytes

EPILOG = """examples:
  recipec fmt science.recipe            rewrite in place
  recipec fmt --check *.recipe          exit 3 if a file is not in canonical form
  recipec fmt --diff science.recipe     show what would change
  recipec fmt - < science.recipe        from standard input to standard output
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", metavar="RECIPE", type=Path, nargs="+", help="`-` is standard input")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 3 if a file would change")
    parser.add_argument("--diff", action="store_true", help="change nothing; print what would change")


def run(arguments: argparse.Namespace) -> ExitCode:
    changed = False
    failures: list[Diagnostic] = []
    for path in arguments.paths:
        try:
            changed |= treat(path, check=arguments.check, diff=arguments.diff)
        except Failure as failure:
            failures += failure.diagnostics
    if failures:
        raise Failure(*failures)
    return ExitCode.UNFORMATTED if changed and arguments.check else ExitCode.OK


def treat(path: Path, *, check: bool, diff: bool) -> bool:
    """Formats one file and returns whether it was not in canonical form."""
    from recipec import syntax
    from recipec.places import local

    source = read(path)
    tree, diagnostics = syntax.parse(source)
    if has_errors(diagnostics):
        raise Failure(*diagnostics)
    canonical = syntax.format(tree, source)
    # Compare bytes, since BOM and CRLF are not part of `source`.
    changed = canonical != source.text if is_stdin(path) else canonical.encode() != read_bytes(path, syntax.LARGEST)
    if diff and changed:
        lines = difflib.unified_diff(
            source.text.splitlines(), canonical.splitlines(), source.path, f"{source.path} (formatted)", lineterm=""
        )
        print("\n".join(lines))
    elif check and changed:
        print(f"would change {source.path}")
    elif is_stdin(path) and not (check or diff):
        streams.write_exactly(canonical)
    elif changed and not (check or diff):
        try:
            local.write_for_user(path, canonical)
        except OSError as error:
            raise Failure(
                Diagnostic("R0706", f"the recipe cannot be written: {error.strerror}", place=str(path))
            ) from None
        print(f"formatted {path}", file=sys.stderr)
    return changed


def is_stdin(path: Path) -> bool:
    return str(path) == "-"


def read(path: Path) -> Source:
    from recipec import syntax

    if not is_stdin(path):
        return syntax.load(path)
    return syntax.decoded(sys.stdin.buffer.read(syntax.LARGEST + 1), "<stdin>")
