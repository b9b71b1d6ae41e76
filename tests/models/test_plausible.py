"""What the files of a model say of it is checked before a model is built: by any change that cannot be, it is refused."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipec.diagnostics import Failure
from recipec.models import plausible
from tests import tiny_model

pytestmark = pytest.mark.slow

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model.build(folder)
    return folder


def refusal(folder: Path) -> str:
    """Why a model is refused, with the file's name; "" if it is not."""
    try:
        plausible.check(folder)
    except Failure as failure:
        [found] = failure.diagnostics
        assert found.code == "R1102"
        return f"{Path(found.place).name}: {found.message.removeprefix('the model cannot be used: ')}"
    return ""


def weights(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.safetensors").write_bytes(content)


def config(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(text)


def instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def sparse(size: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        path.touch()
        os.truncate(path, size)

    return make


def header(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


IMPOSSIBLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "configuration is a list": (config("[1]"), "config.json: it is no configuration of a model"),
    "configuration is no JSON": (config("{"), "config.json: Expecting property name"),
    "configuration is deep": (config("[" * 100_000), "config.json: it is nested too deeply"),
    "configuration is large": (
        instead("config.json", sparse(1 << 30)),
        "config.json: it has more than 16,000,000 bytes",
    ),
    "configuration is a FIFO": (instead("config.json", os.mkfifo), "config.json: it is a FIFO"),
    "configuration is a device": (
        instead("config.json", lambda path: path.symlink_to("/dev/zero")),
        "config.json: it is a device",
    ),
    "configuration is the kernel's": (
        instead("config.json", lambda path: path.symlink_to("/proc/mounts")),
        "config.json: it is a file of the kernel",
    ),
    "tokenizer is a FIFO": (instead("tokenizer.json", os.mkfifo), "tokenizer.json: it is a FIFO"),
    "tokenizer is large": (
        instead("tokenizer.json", sparse(600_000_000)),
        "tokenizer.json: it has 600,000,000 bytes, more than 512,000,000",
    ),
    "weights are a FIFO": (instead("model.safetensors", os.mkfifo), "model.safetensors: it is a FIFO"),
    "weights are empty": (weights(b""), "model.safetensors: it is no file of safetensors"),
    "weights have a huge header": (
        weights(struct.pack("<Q", 2**63) + b"{}"),
        "model.safetensors: it is no file of safetensors",
    ),
    "weights have a list": (weights(header("[1, 2]")), "model.safetensors: it is no file of safetensors"),
    "weights have no JSON": (weights(header("{'a'}")), "model.safetensors: Expecting property name"),
    "weights are deep": (weights(header("[" * 100_000)), "model.safetensors: it is nested too deeply"),
    "weights are cut off": (weights(struct.pack("<Q", 90) + b'{"a'), "model.safetensors: Unterminated string"),
}


@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_files_that_cannot_be_those_of_a_model(tiny: Path, tmp_path: Path, kind: str) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "model"))
    assert refusal(folder) == ""
    change, said = IMPOSSIBLE[kind]
    change(folder)
    assert refusal(folder).startswith(said)


def test_every_size_in_a_configuration_is_bounded_by_the_weights(tiny: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "model"))
    value: dict[str, Any] = json.loads((folder / "config.json").read_text())
    size = (folder / "model.safetensors").stat().st_size
    tried = set()
    for name, before in value.items():
        if isinstance(before, bool) or not isinstance(before, int) or not any(word in name for word in plausible.SIZES):
            continue
        for more in (10**6 if "layer" in name else 10 * size, 10**12, 2**64, 10**400):
            for changed in ({**value, name: more}, {**value, "text_config": {name: more}}):
                (folder / "config.json").write_text(json.dumps(changed))
                said = refusal(folder)
                assert said.startswith(f"config.json: `{name}` is {more:,}, but the weights are "), (name, more)
        tried.add(name)
    assert {"hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"} <= tried
    # Each is possible alone, and both together are not.
    (folder / "config.json").write_text(json.dumps({**value, "hidden_size": size // 2, "vocab_size": size // 2}))
    assert "numbers each are more than the weights of" in refusal(folder)
