"""Stores of objects by the scheme of a URL: each lists, states and reads objects, through fsspec's clients.

| scheme | client | extra |
|---|---|---|
| `s3` | s3fs | `recipec[s3]` |
| `gs` | gcsfs | `recipec[gcs]` |
| `az` | adlfs | `recipec[azure]` |
| `hf` | huggingface_hub | `recipec[hf]` |
| `https`, `http` | aiohttp | `recipec[https]` |

Credentials come from the usual environment of each client, and reach nothing of ours. The clients repeat requests that fail
for a while (5xx, timeouts, connections that break); what they give up on is a diagnostic (`blamed`).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from recipec.diagnostics import Diagnostic, Failure
from recipec.places import objects, scheme, settings
from recipec.places.objects import Object

EXTRAS = {
    "s3": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "az": ("adlfs", "azure"),
    "hf": ("huggingface_hub", "hf"),
    "https": ("aiohttp", "https"),
    "http": ("aiohttp", "https"),
}
"""By scheme, the module of the client and the extra that installs it."""


class Store(Protocol):
    """A bucket or a host.

    Attributes:
        lists: whether it can say which objects it has.
        conditional: whether it reads an object only if it is still the same.
    """

    lists: bool
    conditional: bool

    def list(self, folder: str, prefix: str, *, deep: bool) -> Iterator[Object]:
        """The objects whose names begin with a folder (which ends in `/`) and a prefix, in pages.

        Args:
            deep: whether those in folders below are listed too.
        """

    def stat(self, url: str) -> Object:
        """An object; raises FileNotFoundError if there is none."""

    def read(self, one: Object, start: int, end: int) -> bytes:
        """The bytes `[start, end)` of an object; raises FileNotFoundError, or Failure if it is another one by now."""


@runtime_checkable
class Writer(Store, Protocol):
    """A bucket to which datasets are written."""

    def put(self, url: str, path: Path) -> None:
        """Writes a file of this machine as an object."""

    def put_if(self, url: str, data: bytes, before: Object | None) -> bool:
        """Writes an object if there is none yet, or if it is still the one before; whether it was written."""

    def parts(self, folder: str) -> Iterator[tuple[str, str, float]]:
        """The objects below a folder of which only parts were written: URL, name of the upload, seconds since 1970."""

    def remove(self, url: str, upload: str) -> None:
        """Removes an object, or the parts that an upload has written of it."""


@dataclass(slots=True)
class _Known:
    """The stores of this process, by root and settings: each holds connections, which are used again."""

    lock: threading.Lock
    stores: dict[tuple[str, settings.Place], Store]


_KNOWN = _Known(threading.Lock(), {})


def root(url: str) -> str:
    """The scheme with the bucket or the host of a URL."""
    head, _, rest = url.partition("://")
    return f"{head}://{rest.partition('/')[0]}"


def of(url: str) -> Store:
    """The store of a URL, with the settings of `recipec.toml` and the environment.

    Raises:
        Failure: its client is not installed.
    """
    place = settings.of(url)
    key = (root(url), place)
    with _KNOWN.lock:
        if key not in _KNOWN.stores:
            check_installed(url)
            _KNOWN.stores[key] = _made(url, place)
        return _KNOWN.stores[key]


def writer(url: str) -> Writer:
    """As `of`, for a URL of one of `scheme.WRITTEN`."""
    found = of(url)
    assert isinstance(found, Writer)
    return found


def _made(url: str, place: settings.Place) -> Store:
    name = scheme.of(url)
    if name == "s3":
        from recipec.places import store_s3

        return store_s3.S3(place)
    if name in ("https", "http"):
        from recipec.places import store_web

        return store_web.Web()
    from recipec.places import store_other

    return store_other.Other(name, place)


def is_installed(url: str) -> bool:
    """Whether the client for a URL is installed."""
    module, _ = EXTRAS[scheme.of(url)]
    return all(importlib.util.find_spec(name) is not None for name in ("fsspec", module))


def check_installed(url: str) -> None:
    """Raises Failure if the client for a URL is not installed."""
    module, extra = EXTRAS[scheme.of(url)]
    for name in ("fsspec", module):
        try:
            importlib.import_module(name)
        except ImportError as error:
            why = "" if (error.name or name) == name else f": {error}"
            message = f"reading `{scheme.of(url)}://` needs the package {name}, which is not installed{why}"
            helps = (f"pip install 'recipec[{extra}]'",)
            raise Failure(Diagnostic("R0313", message, helps=helps)) from None


REFUSED = frozenset({"401", "403", "AccessDenied", "Forbidden", "Unauthorized", "InvalidAccessKeyId", "ExpiredToken"})
"""Codes of answers with which a store refuses a request; the names of others are in errors of these types."""

UNKNOWN = frozenset(
    {
        *("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError"),
        *("TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError", "DefaultCredentialsError"),
    }
)
"""Names of the errors of clients that find no credentials."""

HOW = {
    "s3": "as for the AWS command line: AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role",
    "gs": "`gcloud auth application-default login`, or GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or another of adlfs's variables",
    "hf": "`hf auth login`, or HF_TOKEN",
}


@contextlib.contextmanager
def blamed(url: str) -> Iterator[None]:
    """Turns errors of a client into those that callers expect.

    Raises:
        FileNotFoundError: there is no such object; Failure: all else.
    """
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        raise _blamed(error, url) from None


def _blamed(error: Exception, url: str) -> Exception:
    said = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    code = str(said.get("Error", {}).get("Code", "")) if isinstance(said, dict) else str(getattr(error, "status", ""))
    # Two conditional writes at once: the store lets one of them through.
    if code in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
        return objects.changed(url)
    if code == "NoSuchBucket":
        helps = ("correct the name, or the endpoint of its store",)
        return Failure(Diagnostic("R0314", f"there is no bucket `{root(url)}`", helps=helps))
    if type(error).__name__ in UNKNOWN:
        return _refused(url, f"no credentials: {_text(error)}")
    if isinstance(error, PermissionError) or code in REFUSED:
        return _refused(url, f"access is refused: {_text(error)}")
    if isinstance(error, FileNotFoundError) or code in ("404", "NoSuchKey"):
        return FileNotFoundError(2, "there is no such object", url)
    helps = ("what is finished is kept: run the same command again",)
    return Failure(Diagnostic("R0316", f"the store cannot be reached: {_text(error)}", place=url, helps=helps))


def _refused(url: str, message: str) -> Failure:
    how = HOW.get(scheme.of(url))
    helps = (f"credentials come from the environment: {how}",) if how else ()
    return Failure(Diagnostic("R0315", message, place=url, helps=helps))


SECRET = re.compile(r"(?i)((?:signature|credential|token|sig|key|secret|password)[\w-]*)=[^&\s'\"]+")


def _text(error: Exception) -> str:
    """The first line of an error of a client, without credentials."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    text = text.partition("] ")[2] if text.startswith("[Errno") else text
    text = SECRET.sub(r"\1=…", text)
    for name, value in os.environ.items():
        # A short value is no secret, and could be part of any word.
        if len(value) >= 8 and re.search(r"(?i)secret|token|access_key|password|account_key", name):
            text = text.replace(value, "…")
    return text.strip().rstrip(".") or type(error).__name__
