"""Stores that are reached through a file system of fsspec alone: `gs://`, `az://`, `hf://`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from recipec.diagnostics import Diagnostic, Failure
from recipec.places.objects import Object
from recipec.places.settings import Place
from recipec.places.stores import blamed

PROTOCOLS = {"gs": "gcs", "az": "abfs", "hf": "hf"}

IDENTITIES = (
    ("version", ("generation", "version_id", "VersionId", "blob_id")),
    ("etag", ("etag", "ETag", "md5Hash", "content_settings.content_md5")),
)
"""What the clients call what changes with an object's bytes, the best first."""

TIMES = ("LastModified", "last_modified", "updated", "mtime", "last_commit.date")


class Other:
    """The objects of a bucket, a container or a repository."""

    lists = True
    conditional = False

    def __init__(self, scheme: str, place: Place) -> None:
        import fsspec

        self._scheme = scheme
        options: dict[str, Any] = {}
        if scheme == "gs":
            options = {"endpoint_url": place.endpoint or None, "token": "anon" if place.anonymous else None}
        elif scheme == "az":
            options = {"account_name": place.account or None, "anon": place.anonymous or None}
        elif scheme == "hf":
            options = {"endpoint": place.endpoint or None, "token": False if place.anonymous else None}
        said = {name: value for name, value in options.items() if value is not None}
        self._fs: Any = fsspec.filesystem(PROTOCOLS[scheme], use_listings_cache=False, skip_instance_cache=True, **said)

    def list(self, folder: str, prefix: str, *, deep: bool) -> Iterator[Object]:
        with blamed(folder):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(folder, detail=True) if deep else self._listed(folder)
            except FileNotFoundError:
                found = {}
        for name, info in found.items():
            url = self._url(name)
            if info.get("type") == "file" and url.startswith(folder + prefix):
                yield self._object(url, info)

    def _listed(self, folder: str) -> Mapping[str, Any]:
        return {one["name"]: one for one in self._fs.ls(folder, detail=True)}

    def stat(self, url: str) -> Object:
        with blamed(url):
            self._fs.invalidate_cache()
            info = self._fs.info(url)
        if info.get("type") != "file":
            raise FileNotFoundError(2, "there is no such object", url)
        return self._object(url, info)

    def read(self, one: Object, start: int, end: int) -> bytes:
        with blamed(one.url):
            found: bytes = self._fs.cat_file(one.url, start=start, end=end)
        return found

    def _url(self, name: str) -> str:
        return f"{self._scheme}://{self._fs._strip_protocol(name)}"

    def _object(self, url: str, info: Mapping[str, Any]) -> Object:
        for kind, names in IDENTITIES:
            for name in names:
                if (value := _inside(info, name)) is not None:
                    text = str(value).strip('"')
                    return Object(url, int(info["size"]), _time(info), f"{kind} {text}")
        if found := _time(info):
            return Object(url, int(info["size"]), found, f"modified {found}")
        message = "the store does not say which version of the object it has"
        raise Failure(Diagnostic("R0316", message, place=url, helps=("copy it to another place",)))


def _inside(info: Mapping[str, Any], name: str) -> Any:
    """A value of what a client says; `a.b` is the field or attribute b of its a."""
    head, _, rest = name.partition(".")
    value: Any = info.get(head)
    if rest and value is not None:
        value = value.get(rest) if isinstance(value, Mapping) else getattr(value, rest, None)
    return value if value not in ("", None) else None


def _time(info: Mapping[str, Any]) -> int:
    """When the object was last written, in nanoseconds since 1970; 0 if that is not said."""
    for name in TIMES:
        value = _inside(info, name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            return int(value.timestamp()) * 10**9
        if isinstance(value, int | float):
            return int(value) * 10**9
    return 0
