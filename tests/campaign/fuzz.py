"""Fuzz of what reads texts and files of strangers (`targets`): by coverage where atheris is installed, else by chance.

`pip install atheris` is all that the former needs; it is no dependency.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.campaign import targets
from tests.campaign.mutations import MUTATORS
from tests.campaign.shrinking import shrunk
from tests.campaign.targets import COST, TARGETS
from tests.campaign.world import REPOSITORY, Figures, Machine

WHOLE = 10_000_000
"""Executions of all targets in the long form."""

GUIDED = importlib.util.find_spec("atheris") is not None

NOTE = "fuzz without atheris (`pip install atheris`): inputs by chance and grammar, not guided by coverage"

AGAIN = 0.6
"""The share of inputs that are made of one that was made before, rather than of a seed."""

MOST_KEPT = 400


def key_of(error: BaseException) -> str:
    """Where and what an exception is, which two inputs have in common that have the same cause."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/tests/campaign/" not in frame.filename]
    ours = [frame for frame in frames if "/recipec/" in frame.filename] or frames[-1:]
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "the law of the target"
    said = str(error).splitlines()[0][:120] if isinstance(error, AssertionError) and str(error) else ""
    return f"{type(error).__name__} in {where} {said}".strip()


def described(name: str, key: str, data: bytes, seeds: Sequence[bytes], folder: Path) -> str:
    """A fault of a target with a small input that has it."""

    def fails(other: bytes) -> bool:
        error = targets.fault(name, other, folder)
        return error is not None and key_of(error) == key

    return f"{name}: {key}: {shrunk(data, seeds, fails)[:1000]}"


def by_chance(name: str, count: int, seed: str, machine: Machine, folder: Path) -> Figures:
    """Executes a target on inputs that are made of its seeds, and of what was made of them."""
    figures, chance = Figures(), random.Random(seed)
    seeds, mutate = targets.seeds(name, machine), MUTATORS[name]
    kept: list[bytes] = []
    found: set[str] = set()
    for _ in range(count):
        base = chance.choice(kept) if kept and chance.random() < AGAIN else chance.choice(seeds)
        data = mutate(base, seeds, chance)
        error = targets.fault(name, data, folder)
        if error is None and len(data) < 20_000:
            kept.append(data)
            if len(kept) > MOST_KEPT:
                del kept[chance.randrange(len(kept))]
        if error is not None and (key := key_of(error)) not in found:
            found.add(key)
            figures.wrong.append(described(name, key, data, seeds, folder))
    figures.count(f"{name}: executions by chance", count)
    return figures


def by_coverage(name: str, count: int, seed: int, machine: Machine, folder: Path) -> Figures:
    """The same by atheris, in a process of its own, which ends itself."""
    figures, seeds = Figures(), targets.seeds(name, machine)
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds):
        (corpus / str(number)).write_bytes(data)
    found = folder / "found.jsonl"
    words = (sys.executable, "-m", "tests.campaign.guided", name, str(count), str(seed), str(folder))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(REPOSITORY), *sys.path))}
    ended = subprocess.run(
        words, check=False, capture_output=True, text=True, errors="replace", env=environment, cwd=REPOSITORY
    )
    done = [line for line in ended.stderr.splitlines() if line.startswith("Done ")]
    figures.count(f"{name}: executions by coverage", int(done[-1].split()[1]) if done else 0)
    for line in found.read_text().splitlines() if found.exists() else ():
        key, data = json.loads(line)
        figures.wrong.append(described(name, key, bytes.fromhex(data), seeds, folder))
    if not done:
        figures.wrong.append(f"{name}: atheris ended early: {ended.stderr.strip()[-400:]}")
    return figures


def piece(number: int, pieces: int, size: int | None = None, names: Sequence[str] = ()) -> Figures:
    """Some executions of every target.

    Args:
        size: executions of all targets in all pieces; None for `WHOLE`.
    """
    chosen = [name for name in TARGETS if not names or name in names]
    figures = Figures(notes=[] if GUIDED else [NOTE])
    shares = sum(COST[name] for name in chosen)
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with Machine() as machine:
        for name in chosen:
            count = -(-(size or WHOLE) * COST[name] // (shares * pieces))
            with tempfile.TemporaryDirectory(dir=memory) as folder:
                if GUIDED:
                    figures.add(by_coverage(name, count, number + 1, machine, Path(folder)))
                else:
                    figures.add(by_chance(name, count, f"{name} {number}", machine, Path(folder)))
    return figures
