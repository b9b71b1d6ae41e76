"""The file system by which DuckDB reads URLs: objects of stores as they were last looked at, for reading alone.

DuckDB keeps what it has read in memory for as long as `modified` stays the same, which follows from the object's identity.
Errors in it arrive as the text of a traceback, of which `places.failures` knows the diagnostic that was meant.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from fsspec.spec import AbstractFileSystem

from recipec.diagnostics import Diagnostic, Failure
from recipec.places import failures, objects, scheme

ESCAPED = re.compile(r"\[([*?\[])\]")
"""How `database.sql.file` writes what would be a wildcard."""


class Door(AbstractFileSystem):  # type: ignore[misc]
    """See the module. One instance serves all connections and threads."""

    protocol = scheme.STORES
    cachable = False

    def open(self, path: str, mode: str = "rb", **_: Any) -> objects.Bytes:
        if mode != "rb":
            raise failures.error(Failure(Diagnostic("R0309", "places with a scheme are only read", place=path)))
        return objects.Bytes(_facts(path), failed=failures.error)

    def glob(self, path: str, **_: Any) -> list[str]:
        return [ESCAPED.sub(r"\1", path)]

    def exists(self, path: str, **_: Any) -> bool:
        try:
            _facts(path)
        except FileNotFoundError:
            return False
        return True

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        found = _facts(path)
        return {"name": path, "size": found.bytes, "type": "file"}

    def modified(self, path: str) -> datetime:
        found = sha256(_facts(path).mark.encode()).digest()
        return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=int.from_bytes(found[:6], "big"))


def _facts(path: str) -> objects.Object:
    try:
        return objects.facts(path)
    except Failure as failure:
        raise failures.error(failure) from None
    except FileNotFoundError:
        raise failures.error(objects.changed(path, "is gone")) from None
