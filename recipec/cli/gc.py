"""`recipec gc`: removes what no recipe of a folder and no dataset of theirs uses from its state folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recipec.cli import options
from recipec.diagnostics import ExitCode

EPILOG = """examples:
  recipec gc --dry-run     list what would be removed from the state folder of this folder
  recipec gc               remove it
  recipec gc corpus        the same for the recipes of another folder

What the recipes in the folder use as they are, what their last plans used, and what their published datasets
were made of is kept. Whatever is removed can be made again: it costs time, never correctness.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", default=Path(), help="default: this one")
    parser.add_argument("--dry-run", action="store_true", help="remove nothing, only list")
    parser.add_argument(
        "--force",
        action="store_true",
        help="if a recipe cannot be planned, keep only what its last plan used, instead of refusing",
    )
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import pipeline
    from recipec.cli import bars, console, state
    from recipec.numbers import size

    with bars.progress(quiet=arguments.json) as progress:
        found, free = pipeline.collect(
            arguments.folder, dry=arguments.dry_run, force=arguments.force, progress=progress
        )
    taken = [one for one in found.items if one.unused is None or one.unused]
    if arguments.json:
        listed = [state.as_json(one) for one in taken]
        value = {"root": str(found.root), "items": listed, "bytes": free, "dry_run": arguments.dry_run}
        if found.left:
            value["left"] = [one.url for one in found.left]
        print(json.dumps(value, indent=2, ensure_ascii=False))
        return ExitCode.OK
    console.draw_table(console.stdout(), state.table("not used", taken, unused=True))
    if found.left:
        total = size(sum(one.bytes for one in found.left))
        print(f"\n{len(found.left):,} objects of runs that did not end, {total}: {found.left[0].url}, …")
    print(f"\n{size(free)} {'would be' if arguments.dry_run else 'are'} freed")
    return ExitCode.OK
