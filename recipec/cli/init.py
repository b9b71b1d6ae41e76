"""`recipec init`: writes a starter recipe from the schema of the shards in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """examples:
  recipec init data/web                write web.recipe in the current directory
  recipec init data/web -o mix.recipe  write another file; `-` prints the recipe
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder with .parquet or .jsonl shards")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="the recipe to write (`-` = stdout)")


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec.places import local
    from recipec.quickstart import starter

    folder = arguments.folder
    if not folder.is_dir():
        raise Failure(
            Diagnostic("R0711", f"`{folder}` is not a folder", helps=("name the folder that holds the shards",))
        )
    path = arguments.output or Path(f"{starter.word(folder.resolve().name)}.recipe")
    if str(path) == "-":
        print(starter.recipe(folder, Path.cwd()), end="")
        return ExitCode.OK
    if path.exists():
        helps = ("name another file with `-o`, or remove it",)
        raise Failure(Diagnostic("R0711", f"`{path}` already exists", helps=helps))
    text = starter.recipe(folder, path.parent)
    try:
        local.write_text(path, text)
    except OSError as error:
        raise Failure(Diagnostic("R0706", f"the recipe cannot be written: {error.strerror}", place=str(path))) from None
    print(f"wrote {path}; next: recipec plan {path}")
    return ExitCode.OK
