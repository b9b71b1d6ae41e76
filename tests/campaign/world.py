"""Small projects, how commands are run in them, and what is wrong with how a command ended."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recipec.diagnostics import ExitCode
from tests.campaign.dying import Ended, Order

REPOSITORY = Path(__file__).parents[2]

WORDS = (
    *(
        "the",
        "of",
        "and",
        "that",
        "have",
        "with",
        "to",
        "be",
        "in",
        "on",
        "a",
        "model",
        "data",
        "token",
        "word",
        "train",
    ),
    *("science", "code", "river", "stone", "light", "house", "market", "paper", "engine", "garden"),
)

SOURCE = 'source web { shards "data/*.jsonl", id id, text text, tokens n, domain topic }\n'

CHOOSING = """where word_count() >= 10
where not duplicate(lower(text))
criterion edu = column(edu) higher is better
sample quadmix { curve { lambda 50, omega 0.6, eta 1, epsilon 0.01 } }
repeat at most 4 times
"""

MIXED = SOURCE + CHOOSING + "mixture { science 40%%, code 30%%, web 30%% }\nbudget 4K tokens\nseed %d\n"

OUTPUT = 'output parquet "o/out" { shard 8KB, shuffle }\n'

ONE = MIXED % 7 + OUTPUT

OTHER = MIXED % 8 + OUTPUT

PHASES = (
    SOURCE
    + CHOOSING
    + "budget 6K tokens\nseed 7\n"
    + "phases { until 3K tokens { mixture natural } then { mixture { science 50%, code 25%, web 25% } } }\n"
    + OUTPUT
)

PLAIN = SOURCE + 'sample all\noutput jsonl "o/out"\n'


def text(chance: random.Random) -> str:
    lengths = [chance.randint(5, 14) for _ in range(chance.randint(2, 8))]
    return "\n".join(" ".join(chance.choices(WORDS, k=length)).capitalize() + "." for length in lengths)


def documents(count: int, seed: int = 1) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        words = text(chance)
        topic, edu = chance.choice(("science", "code", "web")), round(chance.random(), 4)
        rows.append({"id": f"d{number:05}", "text": words, "topic": topic, "n": len(words.split()), "edu": edu})
    return rows


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def project(folder: Path, recipe: str = ONE, count: int = 180, shards: int = 3) -> Path:
    """A folder with shards, `r.recipe` and the place of its output."""
    rows = documents(count)
    for number in range(shards):
        write_lines(folder / f"data/s{number}.jsonl", rows[number::shards])
    (folder / "o").mkdir(exist_ok=True)
    (folder / "r.recipe").write_text(recipe, encoding="utf-8")
    return folder


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, readable by others than root, too."""
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tree(path: Path) -> dict[str, str]:
    """Every file at or below a path with its sha256; folders without files count as well."""
    if path.is_file():
        return {"": hashlib.sha256(path.read_bytes()).hexdigest()}
    found = {}
    for one in sorted(path.rglob("*")):
        name = one.relative_to(path).as_posix()
        found[name] = hashlib.sha256(one.read_bytes()).hexdigest() if one.is_file() else "folder"
    return found


class Machine:
    """A process that runs commands one after another (`dying`); started when it is first needed."""

    def __init__(self, heavy: bool = False) -> None:
        self._words = (sys.executable, "-m", "tests.campaign.dying", *(("heavy",) if heavy else ()))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()

    def run(self, order: Order) -> Ended:
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(order)) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, "the server of commands has ended"
        return Ended(**json.loads(answer))

    def call(self, folder: Path, *words: object, **more: Any) -> Ended:
        """Runs `recipec` with some words in a folder."""
        return self.run(Order(tuple(map(str, words)), str(folder), **more))

    def _started(self) -> subprocess.Popen[str]:
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join((str(REPOSITORY), *sys.path))}
        return subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=REPOSITORY
        )


CODES = frozenset(int(code) for code in ExitCode)


def fault_of(ended: Ended) -> str:
    """What is wrong with how a command ended that was not killed, whatever was wrong before; "" if nothing."""
    if ended.hung:
        return "it hangs"
    if "Traceback" in ended.err:
        return "traceback: " + ended.err.strip().splitlines()[-1][:200]
    if ended.code not in CODES:
        return f"exit code {ended.code}: {ended.err.strip()[-200:]}"
    if ended.code and not ended.err.strip() and not ended.out.strip():
        return f"exit code {ended.code}, but nothing said"
    return ""


def said(ended: Ended) -> str:
    """What a command said, short enough for a report."""
    return f"exit code {ended.code}: {ended.err.strip()[-300:]}"


@dataclass(slots=True)
class Figures:
    """What a piece of the campaign has tried and found.

    Attributes:
        tried: numbers by the kind of trial.
        wrong: what was wrong, a description each.
        notes: what could not be tried, and why.
    """

    tried: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, kind: str, number: int = 1) -> None:
        self.tried[kind] = self.tried.get(kind, 0) + number

    def check(self, what: str, fault: str) -> None:
        """Notes a fault, if there is one."""
        if fault:
            self.wrong.append(f"{what}: {fault}")

    def add(self, other: Figures) -> None:
        for kind, number in other.tried.items():
            self.count(kind, number)
        self.wrong += other.wrong
        self.notes += [note for note in other.notes if note not in self.notes]
