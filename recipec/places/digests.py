"""Identities by content: sha256 of files and texts, and the canonical JSON text of a value."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from recipec.places.remote import Remote


def sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(path: Path) -> str:
    """The sha256 of a file's bytes; of an object in a store, that of what names it and its version, of which nothing is read."""
    if isinstance(path, Remote):
        one = path.facts()
        return sha256_text(f"{one.url} {one.bytes} {one.identity}")
    return sha256_file(path)


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: a unique text per value, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
