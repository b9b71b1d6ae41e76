"""One target under atheris: `python -m tests.campaign.guided TARGET EXECUTIONS SEED FOLDER`.

Half of the inputs are made by the target's own mutator, the others by atheris; what is found is written to FOLDER.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

with atheris.instrument_imports(include=["recipec"]):
    from tests.campaign import fuzz, targets
    from tests.campaign.mutations import MUTATORS


def main(name: str, count: str, seed: str, place: str) -> None:
    folder = Path(place)
    seeds = [path.read_bytes() for path in sorted((folder / "corpus").iterdir())]
    known: set[str] = set()

    def one(data: bytes) -> None:
        error = targets.fault(name, data, folder)
        if error is None or (key := fuzz.key_of(error)) in known:
            return
        known.add(key)
        with (folder / "found.jsonl").open("a") as file:
            file.write(json.dumps([key, data.hex()]) + "\n")

    def mutated(data: bytes, largest: int, number: int) -> bytes:
        chance = random.Random(number)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, largest))
        return MUTATORS[name](data, seeds, chance)[:largest]

    words = [sys.argv[0], f"-runs={count}", f"-seed={seed}", "-max_len=20000", "-timeout=60", "-rss_limit_mb=8192"]
    atheris.Setup([*words, f"-artifact_prefix={folder}/", str(folder / "corpus")], one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
