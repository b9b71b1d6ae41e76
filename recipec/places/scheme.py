"""Tells local paths from paths with a scheme, such as `s3://bucket/web`.

The text must be checked: as a `Path` it is already a folder `s3:`.
"""

from __future__ import annotations

import re

from recipec.diagnostics import Diagnostic, Failure
from recipec.source import Span

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://", re.ASCII)


def of(text: str) -> str:
    """The scheme of a path as written, in lower case; "" for a local path."""
    found = URL.match(text)
    return found[1].lower() if found else ""


def check(text: str, span: Span | None = None) -> None:
    """Raises Failure if a path as written has a scheme: only the local disk is supported so far."""
    scheme = of(text)
    if not scheme:
        return
    helps = ("copy the files to a folder of this machine, or mount their place, and write its path",)
    if scheme == "file":
        helps = ("write the path alone, without its scheme",)
    message = f"`{text}` is not a local path, and the scheme `{scheme}` is not supported"
    raise Failure(Diagnostic("R0309", message, span, helps=helps))
