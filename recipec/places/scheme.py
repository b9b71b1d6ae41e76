"""Tells local paths from paths with a scheme, such as `s3://bucket/web`, and which of these may stand where.

The text must be checked: as a `Path` it is already a folder `s3:`.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from recipec.diagnostics import Diagnostic, Failure, did_you_mean
from recipec.source import Span

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://", re.ASCII)

STORES = ("s3", "gs", "az", "hf", "https", "http")
"""The schemes that `places.stores` knows."""

WRITTEN = frozenset({"s3"})
"""The schemes of stores to which datasets are written."""

HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Hosts to which no network leads, so that `http://` is as good as `https://`."""


def of(text: str) -> str:
    """The scheme of a path as written, in lower case; "" for a local path."""
    found = URL.match(text)
    return found[1].lower() if found else ""


def check(text: str, span: Span | None = None) -> None:
    """Raises Failure if a path as written has a scheme, where only the local disk is supported so far."""
    scheme = of(text)
    if not scheme:
        return
    helps = ("copy the files to a folder of this machine, or mount their place, and write its path",)
    if scheme == "file":
        helps = ("write the path alone, without its scheme",)
    message = f"`{text}` is not a local path, and the scheme `{scheme}` is not supported"
    if scheme in STORES:
        message += " here"
    raise Failure(Diagnostic("R0309", message, span, helps=helps))


def check_readable(text: str, span: Span | None = None) -> None:
    """Raises Failure if a path as written has a scheme of no store, or says more than where something is: recipes, plans
    and manifests are passed on, so that none of them may hold a credential."""
    scheme = of(text)
    if not scheme:
        return
    if scheme not in STORES:
        if scheme == "file":
            check(text, span)
        known = did_you_mean(scheme, STORES[:5])
        raise Failure(Diagnostic("R0309", f"the scheme `{scheme}` of `{text}` is not supported", span, helps=known))
    _, _, rest = text.partition("://")
    host = rest.partition("/")[0]
    if problem := _credential(text, scheme, host):
        # The line is not shown: it is what must not be passed on.
        raise Failure(Diagnostic("R0309", problem[0], helps=problem[1:], place=str(span or "")))
    if problem := _problem(text, scheme, host):
        raise Failure(Diagnostic("R0309", problem[0], span, helps=problem[1:]))


def check_writable(text: str, span: Span | None = None) -> None:
    """As `check_readable`, for the place of a dataset: without conditions, two runs could publish at once."""
    check_readable(text, span)
    scheme = of(text)
    if scheme and scheme not in WRITTEN:
        helps = ("write an `s3://` URL, or the path of a folder",)
        raise Failure(Diagnostic("R0309", f"a dataset cannot be written to `{scheme}://`", span, helps=helps))


def _credential(text: str, scheme: str, host: str) -> tuple[str, ...]:
    """What of a URL may be a credential, and what to do; nothing of it is repeated."""
    if "@" in host and scheme != "hf":
        return ("the URL has a name and a password", "credentials are taken from the environment of the store's client")
    if scheme in ("https", "http") and urlsplit(text).query:
        return ("the URL has a query, which may hold a credential", "name a file that can be read without one")
    return ()


def _problem(text: str, scheme: str, host: str) -> tuple[str, ...]:
    """What is wrong with a URL of a store, and what to do."""
    if not text.startswith(f"{scheme}://"):
        return (f"the scheme is written `{scheme}://`",)
    if not host:
        return (f"`{text}` names no {'host' if scheme in ('https', 'http') else 'bucket'}",)
    if re.search(r"[*?\[]", host):
        return (
            f"`{text}` has a wildcard in its {'host' if scheme in ('https', 'http') else 'bucket'}",
            "write the name itself",
        )
    if ".." in unquote(text).split("/"):
        return ("a URL cannot have `..`", "write the name itself")
    if scheme == "http" and re.sub(r":[0-9]+\Z", "", host) not in HERE:
        return ("what `http://` brings may be changed on its way", "write `https://`")
    return ()
