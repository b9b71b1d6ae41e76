"""The campaign by hand, in pieces that resume.

    python -m tests.campaign                            everything, hours
    python -m tests.campaign kills --size 20            at most 20 moments of each command
    python -m tests.campaign fuzz faults --only plan    only what has this name

A piece that is done is recorded in the state file; the same command goes on with the others. Exit 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from recipec.places import local
from tests.campaign import faults, fuzz, injection, kills
from tests.campaign.world import Figures

Piece = Callable[[int, int, int | None, Sequence[str]], Figures]

KINDS: dict[str, Piece] = {
    "kills": kills.piece,
    "faults": faults.piece,
    "fuzz": fuzz.piece,
    "injection": injection.piece,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign", description="The campaign, in pieces that resume."
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--pieces", type=int, default=10, metavar="N", help="in how many pieces (default 10)")
    parser.add_argument(
        "--size", type=int, metavar="N", help="how much in all pieces together: see each module's `piece`"
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this command or target")
    parser.add_argument(
        "--state", type=Path, default=Path("campaign.json"), metavar="FILE", help="what is done already"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - KINDS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    done = _read(arguments.state)
    whole = Figures()
    for kind in arguments.kinds or KINDS:
        for number in range(arguments.pieces):
            settings = (kind, number, arguments.pieces, arguments.size, *arguments.only)
            name = " ".join(map(str, settings))
            if name not in done:
                start = time.monotonic()
                done[name] = KINDS[kind](number, arguments.pieces, arguments.size, arguments.only)
                local.write_text(arguments.state, json.dumps({key: asdict(one) for key, one in done.items()}, indent=1))
                passed = time.monotonic() - start
                print(f"{name}: {sum(done[name].tried.values()):,} in {passed:,.0f} s", flush=True)
            whole.add(done[name])
    _print(whole)
    return 1 if whole.wrong else 0


def _read(path: Path) -> dict[str, Figures]:
    if not path.exists():
        return {}
    return {name: Figures(**value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}


def _print(figures: Figures) -> None:
    print("\n| tried | times |\n|---|---|")
    for kind, number in sorted(figures.tried.items()):
        print(f"| {kind} | {number:,} |")
    for note in figures.notes:
        print(f"note: {note}")
    print(f"\nwrong: {len(figures.wrong)}")
    for one in figures.wrong:
        print(f"- {one}")


if __name__ == "__main__":
    raise SystemExit(main())
