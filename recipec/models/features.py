"""Stored features of texts in the state folder: `features/<key>/<part>.parquet`.

A key identifies a model's files, the wanted feature and the version of this code. A row is for the beginning of a text,
in whichever documents, shards, sources or targets it occurs: `content VARCHAR` (md5 of what is tokenised), `value`
(neurons: BLOB of (depth, top_k) uint16, little-endian, ascending in each layer; loss: DOUBLE; null for a text without
tokens), `device`. Parts are written atomically, so that an interrupted pass resumes after its last part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recipec.arrays import Array
from recipec.database.sql import literal
from recipec.ir.passes import Wanted
from recipec.places import digests, sealed

VERSION = 1
"""Increased when the same model gives other features."""


def key(wanted: Wanted, digest: str) -> str:
    """The key of features: depends on the model's files, not on its name."""
    value = {"wanted": wanted.model_dump(mode="json", exclude={"model"}), "model": digest, "version": VERSION}
    return digests.sha256_text(digests.canonical_json(value))[:32]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.parquet"))


def relation(folder: Path, wanted: Wanted) -> str:
    """A SQL table expression (content, value) of all stored features of a key.

    Raises:
        Damaged: some are damaged; these are removed.
    """
    paths = files(folder)
    sealed.check(paths)
    if not paths:
        kind = "BLOB" if wanted.kind == "neurons" else "DOUBLE"
        return f"(SELECT NULL :: VARCHAR AS content, NULL :: {kind} AS value WHERE false)"
    names = ", ".join(literal(str(path)) for path in paths)
    return f"(SELECT content, value FROM read_parquet([{names}], hive_partitioning = false))"


def content(text: str, wanted: Wanted) -> str:
    """The `content` of a text; the same as `content_sql`, in Python."""
    return hashlib.md5(text[: wanted.characters].encode("utf-8"), usedforsecurity=False).hexdigest()


def content_sql(text: str, wanted: Wanted) -> str:
    """SQL expression of the `content` of a text."""
    return f"md5(substr({text}, 1, {wanted.characters}))"


def stacked(values: Sequence[bytes], wanted: Wanted) -> Array:
    """Stacks stored neurons to one (n, depth, top_k) uint16 array."""
    flat = np.frombuffer(b"".join(values), dtype="<u2")
    return flat.reshape(len(values), -1, wanted.top_k)
