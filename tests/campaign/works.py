"""The commands that are killed: what each starts from, and what it writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign import world
from tests.campaign.world import Machine

UNFORMATTED = "seed   7\n# about the data\n" + world.SOURCE + world.CHOOSING + 'output   parquet "o/out"\n'

SEARCHED = """seed 3
source web { shards "data/*.jsonl", id id, text text, tokens n, domain topic }
target law { examples "law.txt" }
criterion edu = column(edu) higher is better
sample quadmix
repeat at most 4 times
budget 2K tokens
search {
  omega 0.05..0.9
  runs 6
  proxy { hidden 16, layers 1, heads 2, ffn 32, context 32, vocabulary 512, batch 4, tokens 1_000 tokens, rate 0.005 }
}
output parquet "o/out"
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A command that writes one thing.

    Attributes:
        make: makes the folder that it starts from.
        destination: what it writes, a file or a folder.
        parts: whether the destination is a folder of datasets, each of which appears by itself.
        heavy: whether it imports libraries for models.
        environment: variables whose `{}` is the folder.
        unlike: a field of the JSON that it writes which differs with every run, such as how long trainings took.
    """

    name: str
    words: tuple[str, ...]
    make: Callable[[Path, Machine], object]
    destination: str = "o/out"
    parts: bool = False
    heavy: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    unlike: str = ""

    def seen(self, folder: Path) -> dict[str, str]:
        """What is at the destination: every file with its sha256; empty if nothing is."""
        path = folder / self.destination
        found = world.tree(path)
        if not self.unlike or not found:
            return found
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            del value[self.unlike]
        except (ValueError, KeyError):
            return found
        return {"": json.dumps(value)}


def one(folder: Path, _: Machine) -> None:
    world.project(folder)


def another(folder: Path, machine: Machine) -> None:
    """A project whose dataset was written with another seed."""
    world.project(folder, world.OTHER)
    ended = machine.call(folder, "apply", "r.recipe", "--yes")
    assert ended.code == 0, ended.err
    (folder / "r.recipe").write_text(world.ONE, encoding="utf-8")


def phases(folder: Path, _: Machine) -> None:
    world.project(folder, world.PHASES)


def searched(folder: Path, _: Machine) -> None:
    world.project(folder, SEARCHED)
    lines = (row["text"].replace("\n", " ") for row in world.documents(20, seed=9))
    (folder / "law.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def runs(folder: Path, _: Machine) -> None:
    """A table of runs of a known law."""
    rows = ["params,tokens,loss,recipe"]
    for size in (1e8, 2e8, 4e8, 8e8):
        for ratio in (5, 20, 80):
            tokens = size * ratio
            loss = 1.7 + 400 / size**0.34 + 410 / tokens**0.28
            rows.append(f"{size:.0f},{tokens:.0f},{loss:.6f},a")
    (folder / "runs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def given_model(folder: Path, _: Machine) -> None:
    from tests import tiny_model

    tiny_model.build(folder / "given")


def unformatted(folder: Path, _: Machine) -> None:
    (folder / "r.recipe").write_text(UNFORMATTED, encoding="utf-8")


FIT = ("fit", "chinchilla", "runs.csv", "-o", "law.json", "--starts", "2", "--bootstrap", "4")

SEARCH = ("search", "r.recipe", "-o", "s.json", "--folds", "2", "--candidates", "200", "--no-confirm")

WORKS = (
    Work("apply", ("apply", "r.recipe", "--yes"), one),
    Work("apply over another", ("apply", "r.recipe", "--yes"), another),
    Work("apply phases", ("apply", "r.recipe", "--yes"), phases, parts=True),
    Work("fit", FIT, runs, "law.json"),
    Work("fmt", ("fmt", "r.recipe"), unformatted, "r.recipe"),
    Work(
        "model add",
        ("model", "add", "tiny", "--from", "given"),
        given_model,
        "cache/models/tiny",
        heavy=True,
        environment={"RECIPEC_CACHE": "{}/cache"},
    ),
    Work("search", SEARCH, searched, "s.json", heavy=True, unlike="records"),
)
