"""The compiler's side of the process that runs models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import IO

from recipec.diagnostics import Diagnostic, Failure
from recipec.models.job import AnyJob, Device, Devices

SHOWN = 3
"""Number of last output lines of the process that a message shows."""


class Client:
    """A process that runs models, started with its first job and ended by `close`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[bytes] | None = None
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
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(job.model_dump_json() + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._died(process) from None
        for line in process.stdout:
            event = json.loads(line)
            if "error" in event:
                error = event["error"]
                raise Failure(Diagnostic(error["code"], error["message"], helps=tuple(error["helps"])))
            if "end" in event:
                return
            if "devices" in event:
                self._devices = event["devices"]
                continue
            done(event["done"])
        raise self._died(process)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
            self._process = subprocess.Popen(
                [sys.executable, "-m", "recipec.models.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        return self._process

    def _died(self, process: subprocess.Popen[str]) -> Failure:
        code = process.wait()
        assert self._said is not None
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        if any("ModuleNotFoundError" in line for line in lines[-SHOWN:]):
            helps = ("pip install 'recipec[models]'",)
            return Failure(Diagnostic("R1103", f"models need a package: {lines[-1]}", helps=helps))
        reason = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        if code == -9:
            reason += ": most likely it had too little memory"
        return Failure(Diagnostic("R1106", f"the process that runs models ended {reason}", helps=tuple(lines[-SHOWN:])))

    def close(self) -> None:
        """Ends the process. The files it has written remain."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._said is not None:
            self._said.close()
        self._process = self._said = None
