"""A server that runs `recipec` in children of its own, and ends them where it is told to.

`python -m tests.campaign.dying` reads orders from standard input, a JSON object a line, forks a child for each, and
answers with how it ended. All imports are done before: a command takes a fraction of a second.

The moments before which a child can be killed are those that the disk sees: every change of a name, every removal, every
flush, and the exchange of two folders. They are those of the child itself, in all of its threads; what the engine does in
its own code, and what processes of the child do, has no moment: kills after a random time reach those.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import IO, Any

MOMENTS = frozenset({"os.rename", "os.remove", "os.rmdir"})
"""Events of Python that are moments; `os.unlink` and `os.replace` have the events of `os.remove` and `os.rename`."""

HEAVY = ("torch", "transformers", "lightgbm", "gguf")
"""What commands with models import, in seconds."""


@dataclass(frozen=True, slots=True)
class Order:
    """One command.

    Attributes:
        words: the words after `recipec`.
        kill_before: the number of the moment, from 1, before which it is killed; 0 for none.
        kill_after: the seconds after which it is killed; 0 for none.
        limits: resource limits by their names in `resource`, such as RLIMIT_NOFILE.
        clock: the seconds by which the clock is wrong that the child sees.
        seconds: after these it hangs.
    """

    words: tuple[str, ...]
    folder: str
    environment: dict[str, str] = field(default_factory=dict)
    kill_before: int = 0
    kill_after: float = 0.0
    limits: dict[str, int] = field(default_factory=dict)
    clock: float = 0.0
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code (negative: the signal), what it printed, the moments that it had."""

    code: int
    out: str
    err: str
    moments: int
    hung: bool

    @property
    def all(self) -> str:
        return self.out + self.err


class Counter:
    """A number that the server can read after its child was killed."""

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, 8)
        self._lock = threading.Lock()

    def reset(self) -> None:
        self._bytes[:] = bytes(8)

    def value(self) -> int:
        return int.from_bytes(self._bytes, "little")

    def next(self) -> int:
        with self._lock:
            self._bytes[:] = (self.value() + 1).to_bytes(8, "little")
            return self.value()


def watch(moment: Callable[[], None]) -> None:
    """Calls a function before every moment of this process, for the rest of its life."""
    from recipec.places import publish

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in MOMENTS:
            moment()

    sys.addaudithook(hook)
    for owner, name in ((os, "fsync"), (publish, "exchange")):
        setattr(owner, name, _after(moment, getattr(owner, name)))


def _after(moment: Callable[[], None], action: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any) -> Any:
        moment()
        return action(*arguments)

    return called


def shift_clock(seconds: float) -> None:
    """Makes the clock of this process wrong; what measures intervals goes on as it was."""
    now, now_ns, gmtime, localtime = time.time, time.time_ns, time.gmtime, time.localtime
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds) * 1_000_000_000
    time.gmtime = lambda at=None: gmtime(time.time() if at is None else at)
    time.localtime = lambda at=None: localtime(time.time() if at is None else at)


def prepare(order: Order, counter: Counter) -> None:
    """Makes this process one that was started by the order."""
    os.chdir(order.folder)
    os.environ.update({"NO_COLOR": "1", **order.environment})
    tempfile.tempdir = None
    for name, value in order.limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
    if order.clock:
        shift_clock(order.clock)

    def moment() -> None:
        if counter.next() == order.kill_before:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(moment)


def preload(heavy: bool) -> None:
    """Imports what commands import."""
    from recipec.cli.main import COMMANDS
    from recipec.syntax import parser

    for name in (*(f"recipec.cli.{command}" for command in COMMANDS), "recipec.pipeline", *(HEAVY if heavy else ())):
        importlib.import_module(name)
    parser.grammar()


def serve() -> int:
    """Answers orders until there are none; returns in every child too, with the exit code of its command."""
    counter = Counter()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        counter.reset()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if pid == 0:
                return _child(order, counter, out, err)
            code, hung = _wait(pid, order)
            ended = Ended(code, _text(out), _text(err), counter.value(), hung)
        print(json.dumps(asdict(ended)), flush=True)
    return 0


def _child(order: Order, counter: Counter, out: IO[bytes], err: IO[bytes]) -> int:
    from recipec.cli.main import main

    os.setsid()
    for number, target in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out.fileno()), (2, err.fileno())):
        os.dup2(target, number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the life of the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    prepare(order, counter)
    sys.argv = ["recipec", *order.words]
    return main()


def _wait(pid: int, order: Order) -> tuple[int, bool]:
    """The exit code of a child, and whether it hung; kills it when it is time."""
    start = time.monotonic()
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), False
        passed = time.monotonic() - start
        if passed > order.seconds:
            os.killpg(pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), True
        if order.kill_after and passed > order.kill_after:
            os.kill(pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), False
        time.sleep(0.002)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    # Another copy of this module holds the types that `serve` makes; that of `__main__` does, too.
    preload(heavy="heavy" in sys.argv[1:])
    raise SystemExit(serve())
