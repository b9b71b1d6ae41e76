"""`https://host/path`: files that are named, since a web server lists none."""

from __future__ import annotations

import asyncio
import email.utils
from collections.abc import Iterator
from typing import Any

from recipec.diagnostics import Diagnostic, Failure
from recipec.places import objects
from recipec.places.objects import Object
from recipec.places.stores import blamed

TRIES = 4
"""How often a request is made that fails for a while, before it is given up."""

SECONDS = 60

FOR_A_WHILE = frozenset({408, 429, 500, 502, 503, 504})


class Refused(Exception):
    """An answer of a server that says no."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status


class Web:
    """Files of web servers, which must answer requests for parts of a file, and say by ETag or date which file it is."""

    lists = False
    conditional = True

    def __init__(self) -> None:
        import fsspec

        self._fs: Any = fsspec.filesystem("http", skip_instance_cache=True, use_listings_cache=False)

    def list(self, folder: str, prefix: str, *, deep: bool) -> Iterator[Object]:
        helps = ("name every file; `{00..29}` stands for thirty numbers",)
        raise Failure(Diagnostic("R0301", f"a web server does not list its files: `{folder}`", helps=helps))

    def stat(self, url: str) -> Object:
        with blamed(url):
            headers, _ = self._get(url, {"Range": "bytes=0-0"})
        size = headers.get("Content-Range", "").rpartition("/")[2]
        if headers["status"] == "206" and size.isdecimal():
            return _object(url, int(size), headers)
        if headers["status"] == "416" or headers.get("Content-Length") == "0":
            return _object(url, 0, headers)
        message = "the server does not answer requests for parts of a file"
        raise Failure(Diagnostic("R0316", message, place=url, helps=("copy the file to another place",)))

    def read(self, one: Object, start: int, end: int) -> bytes:
        asked = {"Range": f"bytes={start}-{end - 1}"}
        if one.identity.startswith("etag "):
            asked["If-Match"] = f'"{one.identity.removeprefix("etag ")}"'
        with blamed(one.url):
            headers, found = self._get(one.url, asked)
        total = headers.get("Content-Range", "").rpartition("/")[2]
        # A server need not know conditions: what it sends says which file it is.
        if headers["status"] != "206" or not total.isdecimal() or _object(one.url, int(total), headers) != one:
            raise objects.changed(one.url)
        return found

    def _get(self, url: str, headers: dict[str, str]) -> tuple[dict[str, str], bytes]:
        """The headers of an answer, with its `status`, and its bytes, of which there are none if it is the whole file.

        Raises:
            Refused: the server says no; others of aiohttp: it cannot be reached.
        """
        from fsspec.asyn import sync

        found: tuple[dict[str, str], bytes] = sync(self._fs.loop, self._fetch, url, headers)
        return found

    async def _fetch(self, url: str, headers: dict[str, str]) -> tuple[dict[str, str], bytes]:
        import aiohttp
        from yarl import URL

        session = await self._fs.set_session()
        limit = aiohttp.ClientTimeout(total=None, sock_connect=SECONDS, sock_read=SECONDS)
        # What is compressed on its way has other bytes than those that its range counts.
        asked = {**headers, "Accept-Encoding": "identity"}
        for number in range(TRIES):
            last = number == TRIES - 1
            try:
                async with session.get(URL(url), headers=asked, timeout=limit) as answer:
                    if answer.status < 400 or answer.status == 416:
                        said = {name.title().replace("Etag", "ETag"): text for name, text in answer.headers.items()}
                        body = await answer.read() if answer.status == 206 else b""
                        return {**said, "status": str(answer.status)}, body
                    if answer.status not in FOR_A_WHILE or last:
                        raise Refused(answer.status, answer.reason or "")
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
                if last:
                    raise
            await asyncio.sleep(0.2 * 4**number)
        raise AssertionError("the last try returns or raises")


def _object(url: str, size: int, headers: dict[str, str]) -> Object:
    written = headers.get("Last-Modified", "")
    try:
        changed = int(email.utils.parsedate_to_datetime(written).timestamp()) * 10**9 if written else 0
    except ValueError:
        changed = 0
    etag = headers.get("ETag", "")
    if etag.startswith('"'):
        return Object(url, size, changed, f"etag {etag.strip(chr(34))}")
    if changed:
        return Object(url, size, changed, f"modified {written}")
    message = "the server says neither by an ETag nor by a date which version of the file it has"
    raise Failure(Diagnostic("R0316", message, place=url, helps=("copy the file to another place",)))
