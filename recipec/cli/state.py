"""`recipec state`: lists what the state folder of a folder holds, and which of its recipes use it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipec.cli import options
from recipec.cli.tables import Table
from recipec.diagnostics import ExitCode

if TYPE_CHECKING:
    from recipec.pipeline.keeping import Kept

EPILOG = """examples:
  recipec state            what the recipes of this folder have stored
  recipec state corpus     the same of another folder
  recipec state --json     as JSON: {"root": …, "items": […], "bytes": …, "unused": …, "broken": {…}}
"""

WORDS = {
    "features": "features of a model",
    "influence": "influence of domains",
    "leftover": "left by killed processes",
    "measurement": "measurement",
    "note": "note about the last plan",
    "proxies": "proxies",
    "result": "results of a step",
    "shard": "shard written anew",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", default=Path(), help="default: this one")
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    from recipec import pipeline
    from recipec.cli import bars, console
    from recipec.numbers import size

    with bars.progress(quiet=arguments.json) as progress:
        found = pipeline.state(arguments.folder, progress)
    whole, free = sum(one.item.bytes for one in found.items), sum(one.free for one in found.items)
    if arguments.json:
        listed = [as_json(one) for one in found.items]
        value = {"root": str(found.root), "items": listed, "bytes": whole, "unused": free, "broken": found.broken}
        print(json.dumps(value, indent=2, ensure_ascii=False))
        return ExitCode.OK
    console.draw_table(console.stdout(), table("state", found.items))
    print(f"\n{size(whole)}, of which {size(free)} are not used: `recipec gc` removes them")
    for name, why in found.broken.items():
        print(f"{name} cannot be planned, so only what its last plan used is listed as used by it: {why}")
    return ExitCode.OK


def as_json(one: Kept) -> dict[str, object]:
    return {
        "kind": one.item.kind,
        "name": one.item.name,
        "used_by": list(one.by),
        "files": len(one.item.files),
        "bytes": one.item.bytes,
        "unused": one.free,
        "modified": round(one.item.modified),
    }


def table(title: str, items: Sequence[Kept], *, unused: bool = False) -> Table:
    """The table of items; with `unused`, of what of them is not used."""
    from recipec.numbers import size

    now = time.time()
    rows = tuple(
        (
            WORDS[one.item.kind],
            one.item.name,
            ", ".join(one.by) or "none",
            size(one.free if unused else one.item.bytes),
            age(now - one.item.modified),
        )
        for one in items
    )
    return Table(title, ("what", "name", "used by", "bytes", "age"), rows, frozenset({3, 4}))


def age(seconds: float) -> str:
    """Seconds, minutes, hours or days."""
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
