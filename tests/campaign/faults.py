"""Faults of disks, files, clocks and limits: a command ends well with the same bytes, or says why not and writes nothing.

Each trial is a function of a bench, on which a project stands in one of three states; what it returns is what was wrong.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec.diagnostics import ExitCode
from tests.campaign import world
from tests.campaign.dying import Ended
from tests.campaign.world import Figures, Machine

LARGE = world.ONE.replace("4K tokens", "30K tokens").replace("8KB", "40KB").replace("at most 4", "at most 9")

APPLY = ("apply", "r.recipe", "--yes")


class Bench:
    """A project in a folder that is always the same one, and what it is to write there.

    Its states: `new`, `planned` (a plan file and the state of its steps), `done` (the dataset and all state).
    """

    def __init__(self, root: Path, machine: Machine, recipe: str, count: int, shards: int) -> None:
        self.machine, self.folder, self._root = machine, root / "here", root
        self.folder.mkdir(parents=True)
        world.project(self.folder, recipe, count, shards)
        self._keep("new")
        for words, state in ((("plan", "r.recipe", "-o", "a.plan"), "planned"), (APPLY, "done")):
            ended = self.call(*words)
            assert ended.code == 0, ended.err
            self._keep(state)
        self.wanted = world.tree(self.out)

    def _keep(self, state: str) -> None:
        shutil.copytree(self.folder, self._root / state)

    @property
    def out(self) -> Path:
        return self.folder / "o/out"

    def reset(self, state: str) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self._root / state, self.folder)

    def call(self, *words: str, **more: Any) -> Ended:
        return self.machine.call(self.folder, *words, **more)

    def same_or_refused(self, ended: Ended, codes: Sequence[ExitCode] = (ExitCode.ERROR,)) -> str:
        """What is wrong unless the dataset is there with the wanted bytes, or the command refused and there is none."""
        if fault := world.fault_of(ended):
            return fault
        if ended.code == 0:
            return "" if world.tree(self.out) == self.wanted else "exit code 0, but other bytes"
        if self.out.exists():
            return "a dataset is there after a failure"
        return "" if ended.code in codes else world.said(ended)

    def same(self, ended: Ended) -> str:
        """What is wrong unless the dataset is there with the wanted bytes."""
        return self.same_or_refused(ended) or (world.said(ended) if ended.code else "")


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault.

    Attributes:
        large: whether the project is large enough to fill disks, and to take its time.
        many: whether it has many shards.
    """

    kind: str
    name: str
    act: Callable[[Bench], str]
    large: bool = False
    many: bool = False


# Full disks.

KILOBYTES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 3072, 4096, 6144, 8192)

PLACES = {"output": "o", "state": ".recipec", "temporary": "t"}


class CannotMount(Exception):
    """This process may not mount a disk."""


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if made.returncode:
        raise CannotMount(made.stderr.decode(errors="replace").strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk(place: str, kilobytes: int) -> Callable[[Bench], str]:
    def act(bench: Bench) -> str:
        bench.reset("new")
        target = bench.folder / PLACES[place]
        environment = {"TMPDIR": str(target)} if place == "temporary" else {}
        with disk(target, kilobytes):
            ended = bench.call(*APPLY, environment=environment)
            if fault := bench.same_or_refused(ended):
                return fault
            if ended.code and not any(code in ended.all for code in ("R0603", "R0604")):
                return f"says something else: {world.said(ended)}"
            subprocess.run(["mount", "-o", "remount,size=64m", str(target)], check=True)
            return bench.same(bench.call(*APPLY, environment=environment))

    return act


# Files that are cut off, changed or exchanged.


def overwrite(path: Path, data: bytes) -> None:
    """Writes a file in place, with its time as it was."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


REFUSED = (ExitCode.ERROR, ExitCode.STALE)


def cut_shard(share: float) -> Callable[[Bench], str]:
    """A shard that is cut off after it was planned; a recipe may be applied to what is left of it."""

    def act(bench: Bench) -> str:
        bench.reset("planned")
        shard = bench.folder / "data/s1.jsonl"
        data = shard.read_bytes()
        overwrite(shard, data[: int(share * len(data))])
        ended = bench.call("apply", "a.plan")
        if fault := bench.same_or_refused(ended, REFUSED) or ("" if ended.code else "it was not noticed"):
            return fault
        ended = bench.call(*APPLY)
        if fault := world.fault_of(ended):
            return fault
        if ended.code:
            return "a dataset is there after a failure" if bench.out.exists() else ""
        checked = bench.call("verify", "o/out")
        return world.fault_of(checked) or ("" if checked.code == 0 else f"verify: {world.said(checked)}")

    return act


def changed_shards(how: str, seed: int) -> Callable[[Bench], str]:
    """Shards that are changed after they were planned, with sizes and times as they were."""

    def act(bench: Bench) -> str:
        bench.reset("planned")
        chance = random.Random(f"{how} {seed}")
        one, other = chance.sample(sorted(bench.folder.glob("data/*.jsonl")), 2)
        first, second = one.read_bytes(), other.read_bytes()
        if how == "exchanged":
            overwrite(one, second)
            overwrite(other, first)
        else:
            at = chance.choice([at for at, byte in enumerate(first) if chr(byte).isalpha()])
            overwrite(one, first[:at] + (b"q" if first[at : at + 1] != b"q" else b"z") + first[at + 1 :])
        ended = bench.call("apply", "a.plan")
        return bench.same_or_refused(ended, REFUSED) or ("" if ended.code else "it was not noticed")

    return act


def damaged_dataset(seed: int) -> Callable[[Bench], str]:
    """A bit of a file of the dataset is another, or a file is cut off: `verify` notices it."""

    def act(bench: Bench) -> str:
        bench.reset("done")
        what = damage(sorted(path for path in bench.out.rglob("*") if path.is_file()), random.Random(f"dataset {seed}"))
        ended = bench.call("verify", "o/out")
        return world.fault_of(ended) or ("" if ended.code == ExitCode.ERROR else f"not noticed: {what}")

    return act


def damage(files: Sequence[Path], chance: random.Random) -> str:
    """Flips a bit of a file, or, one time in five, cuts it off; returns what was done."""
    path = chance.choice([path for path in files if path.stat().st_size])
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    if chance.random() < 0.2:
        overwrite(path, bytes(data[:at]))
        return f"{path.name} cut off at {at} of {len(data)}"
    data[at] ^= 1 << chance.randrange(8)
    overwrite(path, bytes(data))
    return f"{path.name}, a bit of byte {at} of {len(data)}"


def damaged_state(seed: int) -> Callable[[Bench], str]:
    """A bit of the state is another, and the dataset is written again."""

    def act(bench: Bench) -> str:
        bench.reset("done")
        shutil.rmtree(bench.out)
        state = bench.folder / ".recipec"
        files = sorted(path for path in state.rglob("*") if path.is_file() and not path.name.startswith("lock"))
        what = damage(files, random.Random(f"state {seed}"))
        fault = bench.same(bench.call(*APPLY))
        return f"{fault} ({what})" if fault else ""

    return act


# Two writers, locks of the dead, clocks.


def two_writers(seed: int) -> Callable[[Bench], str]:
    """Two runs over one state folder, the other with another seed: whole datasets of one of them, one after the other."""

    def act(bench: Bench) -> str:
        bench.reset("new")
        (bench.folder / "other.recipe").write_text(LARGE.replace("seed 7", "seed 8"), encoding="utf-8")
        ended: list[Ended] = []
        with Machine() as second:
            second.call(bench.folder, "--version")
            words = ("apply", ("r.recipe", "other.recipe")[seed % 2], "--yes")
            thread = threading.Thread(target=lambda: ended.append(second.call(bench.folder, *words)))
            thread.start()
            ended.append(bench.call(*APPLY))
            thread.join()
        for one in ended:
            if fault := world.fault_of(one) or ("" if one.code in (0, ExitCode.LOCKED) else world.said(one)):
                return fault
        if all(one.code for one in ended):
            return "neither of two writers has written"
        checked = bench.call("verify", "o/out")
        return bench.same(bench.call(*APPLY)) or (world.said(checked) if checked.code else "")

    return act


def dead_locks(what: str) -> Callable[[Bench], str]:
    """What processes have left that are dead does not lock."""

    def act(bench: Bench) -> str:
        bench.reset("new")
        state = bench.folder / ".recipec"
        state.mkdir()
        if what == "files":
            for path in (state / "lock", bench.out.with_name(".out.lock")):
                path.touch()
            note = {"pid": 999_999, "host": "elsewhere", "command": "recipec", "since": "1970-01-01"}
            (state / "lock.json").write_text(json.dumps(note))
        elif what == "damaged":
            (state / "lock.json").write_bytes(b"\xff{")
            (state / "lock").write_bytes(b"\xff")
        else:
            killed = bench.call(*APPLY, kill_before=int(what))
            if killed.code >= 0:
                return f"not killed: {world.said(killed)}"
        return bench.same(bench.call(*APPLY))

    return act


YEAR = 365.25 * 86_400


def wrong_clock(years: float, state: str) -> Callable[[Bench], str]:
    """The dataset is written again under a clock that is wrong; that of the state and the shards was right."""

    def act(bench: Bench) -> str:
        bench.reset(state)
        shutil.rmtree(bench.out, ignore_errors=True)
        return bench.same(bench.call(*APPLY, clock=years * YEAR)) or bench.same(bench.call(*APPLY))

    return act


def future_files(bench: Bench) -> str:
    """The state is of the future, as after a clock was set back."""
    bench.reset("done")
    shutil.rmtree(bench.out)
    for path in (bench.folder / ".recipec").rglob("*"):
        os.utime(path, (4e9, 4e9))
    return bench.same(bench.call(*APPLY))


# Limits.


def limited(name: str, value: int) -> Callable[[Bench], str]:
    def act(bench: Bench) -> str:
        bench.reset("new")
        fault = bench.same_or_refused(bench.call(*APPLY, limits={name: value}))
        return fault or bench.same(bench.call(*APPLY))

    return act


def little_memory(words: tuple[str, ...]) -> Callable[[Bench], str]:
    def act(bench: Bench) -> str:
        bench.reset("new")
        fault = bench.same_or_refused(bench.call(*APPLY, *words), (ExitCode.ERROR, ExitCode.USAGE))
        return fault or bench.same(bench.call(*APPLY))

    return act


def trials() -> list[Trial]:
    """All trials, those of a kind together."""
    disks = [
        Trial("full disk", f"{size} KB for {place}", full_disk(place, size), large=True)
        for size in KILOBYTES
        for place in PLACES
    ]
    cuts = [Trial("shard cut off", f"at {number / 10:.0%}", cut_shard(number / 10)) for number in range(10)]
    changes = [
        Trial(f"shards {how}", f"seed {seed}", changed_shards(how, seed))
        for how in ("exchanged", "changed")
        for seed in range(10)
    ]
    data = [Trial("dataset damaged", f"seed {seed}", damaged_dataset(seed)) for seed in range(100)]
    state = [Trial("state damaged", f"seed {seed}", damaged_state(seed)) for seed in range(200)]
    writers = [Trial("two writers", f"seed {seed}", two_writers(seed), large=True) for seed in range(10)]
    locks = [Trial("dead locks", what, dead_locks(what)) for what in ("files", "damaged", "9", "60", "150")]
    clocks = [
        Trial("wrong clock", f"{years} years, {state}", wrong_clock(years, state))
        for years in (-50, -1, -1 / 8766, 10)
        for state in ("new", "planned", "done")
    ]
    clocks.append(Trial("wrong clock", "state of the future", future_files))
    few = [Trial("few descriptors", f"{n}", limited("RLIMIT_NOFILE", n), many=True) for n in (16, 20, 24, 32, 48)]
    spaces = [
        Trial("little memory", f"{mega} MB of address space", limited("RLIMIT_AS", mega << 20))
        for mega in (700, 800, 1000, 1200, 1600, 2000, 4000)
    ]
    sizes = [
        Trial("little memory", f"--memory {size}", little_memory(("--memory", size)))
        for size in ("0MB", "1MB", "10MB", "30MB", "64MB", "100MB", "200MB", "50%", "x", "-1GB", "100TB")
    ]
    return [*disks, *cuts, *changes, *data, *state, *writers, *locks, *clocks, *few, *spaces, *sizes]


def chosen(number: int, pieces: int, size: int | None, names: Sequence[str]) -> list[Trial]:
    """The trials of one piece: all, or at most `size` of each kind in all pieces, spread over it."""
    kinds: dict[str, list[Trial]] = {}
    for trial in trials():
        if not names or trial.kind in names:
            kinds.setdefault(trial.kind, []).append(trial)
    found: list[Trial] = []
    for some in kinds.values():
        step = 1 if size is None else max(1, -(-len(some) // size))
        found += some[::step]
    return found[number::pieces]


def piece(number: int, pieces: int, size: int | None = None, names: Sequence[str] = ()) -> Figures:
    """Some trials of every kind.

    Args:
        size: the most trials of each kind in all pieces; None for all.
        names: only these kinds; none for all.
    """
    figures = Figures()
    with ExitStack() as stack:
        machine = stack.enter_context(Machine())
        benches: dict[tuple[bool, bool], Bench] = {}
        for trial in chosen(number, pieces, size, names):
            which = (trial.large, trial.many)
            if which not in benches:
                root = stack.enter_context(world.scratch())
                count, shards = (1200, 3) if trial.large else (180, 40 if trial.many else 3)
                benches[which] = Bench(root, machine, LARGE if trial.large else world.ONE, count, shards)
            try:
                fault = trial.act(benches[which])
            except CannotMount as error:
                figures.add(Figures(notes=[f"no full disks: this process may not mount ({error})"]))
                continue
            figures.count(trial.kind)
            figures.check(f"{trial.kind}, {trial.name}", fault)
    return figures
