"""The models on this machine: those in the cache, and folders that a recipe names.

A model is a folder with `config.json`, `*.safetensors` and `tokenizer.json`; no pickles, no code. A cached one also has
`recipec.json`, written last: its name, where it came from and the digest of its files.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, RootModel

from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.ir import closed
from recipec.ir.expressions import Frozen
from recipec.models import plausible
from recipec.places import digests, local, scheme
from recipec.source import Span, resolve_path

NOTE = "recipec.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be loaded.

    Attributes:
        digest: sha256 over its files: its identity, independent of its location.
    """

    name: str
    folder: Path
    digest: str
    origin: str = ""
    bytes: int = 0


class Note(Frozen):
    """`recipec.json` of a model in the cache: its name, where it came from, and the digest of its files."""

    name: Annotated[str, Field(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\z")]
    origin: str
    digest: closed.Sha256


class Digests(RootModel[dict[str, closed.Sha256]]):
    """The digests of files, by path and mark."""


def root() -> Path:
    """The user's models folder: in `$RECIPEC_CACHE`, else in `$XDG_CACHE_HOME/recipec`, else in `~/.cache/recipec`."""
    own = os.environ.get("RECIPEC_CACHE")
    base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recipec"
    return base / "models"


def entries() -> tuple[Model, ...]:
    """The models in the cache, sorted by name."""
    if not root().is_dir():
        return ()
    return tuple(model for path in sorted(root().iterdir()) if (model := _entry(path)) is not None)


def _entry(folder: Path) -> Model | None:
    try:
        note = closed.parsed(Note, local.read_text(folder / NOTE, local.LARGEST_NOTE))
        size = sum(path.stat().st_size for path in folder.iterdir())
        return Model(folder.name, folder, note.digest, note.origin, size)
    except (OSError, ValueError):
        return None


def installed(name: str) -> Model | None:
    """The model in the cache that has a name, or None."""
    return _entry(root() / name) if NAME.fullmatch(name) else None


def find(name: str, folder: Path, span: Span | None = None) -> Model:
    """Finds the model that a recipe in `folder` names: a cached one, or a folder.

    Raises:
        Failure: there is none, or the folder is not a model.
    """
    cached = installed(name)
    if cached is not None:
        if digest(cached.folder) != cached.digest:
            message = f"the files of the model `{name}` are not those that were added"
            again = (f"recipec model remove {name}", f"recipec model add {cached.origin or name}")
            raise Failure(Diagnostic("R1102", message, span, place=str(cached.folder), helps=again))
        return cached
    scheme.check(name, span)
    path = resolve_path(name, folder)
    if path.is_dir():
        lacking = missing(path)
        if lacking:
            needs = (f"a model is a folder with {', '.join(PARTS)}",)
            raise Failure(Diagnostic("R1102", f"`{name}` is not a model: it has no {lacking[0]}", span, helps=needs))
        plausible.check(path)
        return Model(name, path, digest(path))
    helps = (*did_you_mean(name, [model.name for model in entries()]), *_how_to_add(name, path))
    raise Failure(Diagnostic("R1101", f"the model `{name}` is not on this machine", span, helps=helps))


def _how_to_add(name: str, path: Path) -> tuple[str, ...]:
    if path.suffix == ".gguf" or path.is_file():
        return (f"recipec model add NAME --from {name}",)
    return (f"recipec model add {name}",)


PARTS = ("config.json", "*.safetensors", "tokenizer.json")


def missing(folder: Path) -> list[str]:
    """The files that a folder lacks to be a model."""
    return [part for part in PARTS if not any(folder.glob(part))]


def digest(folder: Path) -> str:
    """sha256 over the names and contents of a model's files. Unchanged files are not read again."""
    note = root().parent / "digests.json"
    try:
        known = closed.parsed(Digests, local.read_text(note)).root
    except (OSError, ValueError):
        known = {}
    found, new = {}, False
    for path in sorted(path for part in PARTS for path in folder.glob(part)):
        key = f"{path.resolve()}\0{local.mark(path)}"
        if key not in known:
            known[key] = digests.sha256_file(path)
            new = True
        found[path.name] = known[key]
    if new:
        # Where it cannot be kept, the files are read again next time.
        with contextlib.suppress(OSError):
            local.write_text(note, json.dumps(known))
    return digests.sha256_text(digests.canonical_json(found))


def remove(name: str) -> Model:
    """Removes a model from the cache.

    Raises:
        Failure: there is none of that name.
    """
    model = installed(name)
    if model is None:
        helps = did_you_mean(name, [model.name for model in entries()])
        raise Failure(Diagnostic("R1101", f"the model `{name}` is not in the cache", helps=helps))
    # Without its note it no longer counts as a model, even if removing the rest is interrupted.
    (model.folder / NOTE).unlink()
    shutil.rmtree(model.folder)
    return model
