"""A store on the loopback: moto's server in a process of its own, and buckets in it."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for

SECRET = "not-for-any-log-4711"
"""The key with which the tests ask, which nothing that recipec writes may have."""

_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of its own."""

    client: Any  # from boto3, which has no types
    name: str
    endpoint: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> str:
        """Writes an object; returns its ETag."""
        return str(self.client.put_object(Bucket=self.name, Key=key, Body=data)["ETag"]).strip('"')

    def fill(self, folder: Path, prefix: str = "") -> None:
        """Writes all files of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(prefix + str(path.relative_to(folder)), path.read_bytes())

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def started(environment: Mapping[str, str] | None = None) -> tuple[subprocess.Popen[bytes], str]:
    """A server that answers, and its address."""
    missing = [name for name in ("moto", "s3fs", "flask") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install -e '.[dev]'")
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(words, stdout=quiet, stderr=quiet, env={**os.environ, **(environment or {})})
    wait_for(lambda: answers(port) or server.poll() is not None)
    assert server.poll() is None
    return server, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    server, address_ = started()
    yield address_
    server.kill()
    server.wait()


@pytest.fixture
def bucket(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket, which the environment of the test leads to."""
    import boto3

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    client = boto3.client("s3", region_name="us-east-1")
    name = f"bucket-{os.getpid()}-{next(_NUMBERS)}"
    client.create_bucket(Bucket=name)
    yield Bucket(client, name, address)
    client.close()
