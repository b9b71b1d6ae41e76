"""The process that runs models: one for many clients, and nothing of the current folder in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recipec.models import client
from recipec.models.client import Client
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def none_rests() -> None:
    client._end_resting()


def process_of(one: Client) -> client.Process:
    assert one.devices("cpu") == ["cpu"]
    assert one._process is not None
    return one._process


def test_a_process_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third, other = Client(), Client(), Client(), Client()
    process = process_of(first)
    assert process_of(second) is not process
    first.close()
    assert process_of(third) is process
    third.close()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert process_of(other) is not process
    second.close()
    other.close()
    assert len(client._resting) <= client.RESTING


def test_a_dead_process_is_not_used_again() -> None:
    first = Client()
    process = process_of(first)
    first.close()
    assert client._resting == [process]
    process.popen.kill()
    process.popen.wait()
    second = Client()
    assert process_of(second) is not process
    second.close()


TRAPS = ("torch", "transformers", "numpy", "json", "loky", "pip", "recipec", "duckdb", "safetensors", "cloudpickle")

STARTED = """
import sys
from recipec.cli.main import main
sys.argv = ["recipec", "--version"]
try:
    main()
except SystemExit:
    pass
from recipec.engines.local import Processes
from recipec.models.client import Client
client, processes = Client(), Processes(1)
print(client.devices("cpu"), processes.submit(abs, -1).result())
client.close()
processes.kill()
"""


def test_nothing_is_imported_from_the_current_folder(tmp_path: Path) -> None:
    for name in TRAPS:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write({name!r})\n")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    environment.pop("PYTHONSAFEPATH", None)
    command = [sys.executable, "-P", "-c", STARTED]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines()[1:] == ["['cpu'] 1"], ended.stderr
    assert not (tmp_path / "sprung").exists()
