"""The compiler's side of the process that runs models.

Such a process takes seconds to start, nearly all of them to import its packages. So one that has done its jobs rests,
without its model, and is taken by the next client of this process: a second plan, a search after a plan.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from recipec.diagnostics import Diagnostic, Failure
from recipec.models.job import AnyJob, Device, Devices, Rest

SHOWN = 3
"""Number of last output lines of the process that a message shows."""


RESTING = 2
"""The most processes that rest: each holds some hundred megabytes of code."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs models.

    Attributes:
        said: its stderr.
        surroundings: what it was started in, see `_surroundings`.
    """

    popen: subprocess.Popen[str]
    said: IO[bytes]
    surroundings: tuple[object, ...]

    def end(self) -> None:
        self.popen.kill()
        self.popen.communicate()
        self.said.close()


def _surroundings() -> tuple[object, ...]:
    """What a process inherits from this one; another process id means that this one is a fork of the owner."""
    return os.getpid(), tuple(sorted(os.environ.items()))


_resting: list[Process] = []
_lock = threading.Lock()


@atexit.register
def _end_resting() -> None:
    while _resting and _resting[0].surroundings[0] == os.getpid():
        _resting.pop(0).end()


def _started() -> Process:
    """A resting process that was started in the same surroundings, else a new one."""
    surroundings = _surroundings()
    with _lock:
        for one in [one for one in _resting if one.surroundings == surroundings]:
            _resting.remove(one)
            if one.popen.poll() is None:
                return one
            one.end()
    said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
    popen = subprocess.Popen(
        [sys.executable, "-P", "-m", "recipec.models.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    return Process(popen, said, surroundings)


class Client:
    """A process that runs models, started with its first job and given back by `close`."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._busy = False
        self._devices: list[str] = []

    def devices(self, asked: Device) -> list[str]:
        """The available devices: every CUDA device, or the CPU.

        Raises:
            Failure: CUDA is requested and not available.
        """
        self.run(Devices(device=asked), lambda _: None)
        return self._devices

    def run(self, job: AnyJob, done: Callable[[int], None]) -> None:
        """Runs a job to its end; `done` is called with the number of texts of each batch.

        Raises:
            Failure: the model cannot be loaded or run, or the process died.
        """
        process = self._started()
        self._busy = True
        stdin, stdout = process.popen.stdin, process.popen.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(job.model_dump_json() + "\n")
            stdin.flush()
        except BrokenPipeError:
            raise self._died(process) from None
        for line in stdout:
            event = json.loads(line)
            if "error" in event:
                error = event["error"]
                self._busy = False
                raise Failure(Diagnostic(error["code"], error["message"], helps=tuple(error["helps"])))
            if "end" in event:
                self._busy = False
                return
            if "devices" in event:
                self._devices = event["devices"]
                continue
            done(event["done"])
        raise self._died(process)

    def _started(self) -> Process:
        if self._process is None:
            self._process = _started()
        return self._process

    def _died(self, process: Process) -> Failure:
        code = process.popen.wait()
        process.said.seek(0)
        lines = process.said.read().decode("utf-8", "replace").strip().splitlines()
        if any("ModuleNotFoundError" in line for line in lines[-SHOWN:]):
            helps = ("pip install 'recipec[models]'",)
            return Failure(Diagnostic("R1103", f"models need a package: {lines[-1]}", helps=helps))
        reason = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        if code == -9:
            reason += ": most likely it had too little memory"
        return Failure(Diagnostic("R1106", f"the process that runs models ended {reason}", helps=tuple(lines[-SHOWN:])))

    def close(self) -> None:
        """Gives the process back, or ends it if it is in the middle of a job. The files it has written remain."""
        if self._process is None:
            return
        rests = False
        try:
            rests = not self._busy and len(_resting) < RESTING and self._forgets()
        finally:
            process, self._process = self._process, None
            if rests:
                with _lock:
                    _resting.append(process)
            else:
                process.end()

    def _forgets(self) -> bool:
        """Lets the process forget its model; returns whether it is one for others."""
        try:
            self.run(Rest(), lambda _: None)
        except Failure:
            return False
        return True
