"""`recipec init`: writes a starter recipe from the schemas of the shards in folders."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipec.cli import options, streams
from recipec.diagnostics import Diagnostic, ExitCode, Failure

EPILOG = """examples:
  recipec init data/web                      write web.recipe in the current directory
  recipec init data/web -o mix.recipe        write another file; `-` prints the recipe
  recipec init data/web data/code            a source for each folder
  recipec init dolma --domain meta.source    columns may be inside others; `--domain file`: each file is a domain

Folders below DIR whose shards have other columns become sources of their own. What is guessed has a TODO above it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", metavar="DIR", type=Path, nargs="+", help="folder with .parquet or JSON lines shards"
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="the recipe to write (`-` = stdout)")
    parser.add_argument("--id", metavar="COLUMN", help="the id of documents, instead of a guess")
    parser.add_argument("--text", metavar="COLUMN", help="the text of documents, instead of a guess")
    parser.add_argument(
        "--domain", metavar="COLUMN", help="the domain of documents; `path` or `file`: one for each shard"
    )
    parser.add_argument("--tokens", metavar="COLUMN", help="the number of tokens of documents, instead of a guess")


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec.quickstart import starter, wording
    from recipec.quickstart.roles import Options

    for folder in arguments.folders:
        if not folder.is_dir():
            helps = ("name the folder that holds the shards",)
            raise Failure(Diagnostic("R0711", f"`{folder}` is not a folder", helps=helps))
    chosen = Options(arguments.id, arguments.text, arguments.domain, arguments.tokens)
    path = arguments.output or Path(f"{wording.word(arguments.folders[0].resolve().name)}.recipe")
    if str(path) == "-":
        streams.write_exactly(starter.recipe(arguments.folders, Path.cwd(), chosen))
        return ExitCode.OK
    if path.exists():
        helps = ("name another file with `-o`, or remove it",)
        raise Failure(Diagnostic("R0711", f"`{path}` already exists", helps=helps))
    text = starter.recipe(arguments.folders, path.parent, chosen)
    options.write(path, text, "recipe")
    todo = text.count("# TODO: ")
    guesses = f" ({todo} guess{'es' if todo > 1 else ''} to check: `# TODO`)" if todo else ""
    print(f"wrote {path}{guesses}; next: recipec plan {path}")
    return ExitCode.OK
