"""What the files of a model say of it, checked before it is built: strangers write them, and a layer costs memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipec.diagnostics import Diagnostic, Failure
from recipec.places import local
from recipec.source import strange

LARGEST_HEADER = 100_000_000
"""The most bytes of the header of a file of weights, as safetensors has it."""

LARGEST_TOKENIZER = 512_000_000
"""The most bytes of `tokenizer.json`; those of a million tokens have 100 million."""

SIZES = ("size", "dim", "embd", "d_model", "d_ff", "d_kv", "inner", "heads", "experts", "layers", "n_layer", "n_head")
"""In the names of fields of a configuration by which a model grows."""


def check(folder: Path) -> None:
    """Checks that a model's files are regular ones of possible sizes, and that its configuration fits its weights.

    Raises:
        Failure: names the file.
    """
    for path in sorted((*folder.glob("*.json"), *folder.glob("*.safetensors"))):
        if what := strange(path):
            raise _failed(path, f"it is {what}")
    check_tokenizer(folder / "tokenizer.json")
    config = _json(folder / "config.json")
    if not isinstance(config, dict):
        raise _failed(folder / "config.json", "it is no configuration of a model")
    headers = [_header(path) for path in sorted(folder.glob("*.safetensors"))]
    tensors = sum(len(header) for header, _ in headers)
    size = sum(size for _, size in headers)
    for name, value in _whole_numbers(config):
        most = tensors if "layer" in name else size
        if any(word in name for word in SIZES) and value > most:
            what = "tensors" if "layer" in name else "bytes of tensors"
            message = f"`{name}` is {value:,}, but the weights are {most:,} {what}"
            raise _failed(folder / "config.json", message)
    hidden, vocabulary = config.get("hidden_size"), config.get("vocab_size")
    if isinstance(hidden, int) and isinstance(vocabulary, int) and hidden * vocabulary > 8 * size:
        message = f"{vocabulary:,} tokens with {hidden:,} numbers each are more than the weights of {size:,} bytes"
        raise _failed(folder / "config.json", message)


def check_tokenizer(path: Path) -> None:
    """Checks that the file of a tokenizer, if there is one, is a regular one of a possible size.

    Raises:
        Failure: it is not.
    """
    if not path.exists():
        return
    found = path.stat()
    if what := strange(path):
        raise _failed(path, f"it is {what}")
    if found.st_size > LARGEST_TOKENIZER:
        raise _failed(path, f"it has {found.st_size:,} bytes, more than {LARGEST_TOKENIZER:,}")


def _whole_numbers(config: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _whole_numbers(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield str(name), value


def _json(path: Path) -> Any:
    try:
        return local.read_json(path, local.LARGEST_NOTE)
    except OSError as error:
        raise _failed(path, error.strerror or str(error)) from None
    except ValueError as error:
        raise _failed(path, str(error)) from None


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The tensors of a file of weights by their names, and their bytes."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= LARGEST_HEADER:
                raise ValueError("it is no file of safetensors")
            found = json.loads(file.read(length))
    except RecursionError:
        raise _failed(path, "it is nested too deeply") from None
    except (OSError, ValueError) as error:
        raise _failed(path, str(error)) from None
    if not isinstance(found, dict):
        raise _failed(path, "it is no file of safetensors")
    found.pop("__metadata__", None)
    return found, path.stat().st_size - 8 - length


def _failed(path: Path, reason: str) -> Failure:
    return Failure(Diagnostic("R1102", f"the model cannot be used: {reason}", place=str(path)))
