"""A web server on the loopback, which answers requests for parts of the files of a folder."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import unquote

import pytest


class _Server(ThreadingHTTPServer):
    folder: Path
    etags: bool
    ranges: bool


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        server = cast("_Server", self.server)
        path = server.folder / unquote(self.path.lstrip("/"))
        if not path.is_file():
            self._say(404, b"")
            return
        if path.name.startswith("secret"):
            self._say(403, b"")
            return
        data = path.read_bytes()
        headers = {"Last-Modified": formatdate(path.stat().st_mtime, usegmt=True)}
        if server.etags:
            headers["ETag"] = f'"{md5(data).hexdigest()}"'
            if self.headers.get("If-Match") not in (None, headers["ETag"]):
                self._say(412, b"")
                return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked and server.ranges:
            start, end = int(asked[1]), min(int(asked[2]) + 1, len(data))
            if start >= len(data):
                self._say(416, b"", **headers)
                return
            self._say(206, data[start:end], **headers, **{"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"})
            return
        self._say(200, data, **headers)

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


for _method in ("GET", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler.answer)


@contextlib.contextmanager
def serving(folder: Path, *, etags: bool = True, ranges: bool = True) -> Iterator[str]:
    """The address of a server of the files of a folder."""
    pytest.importorskip("aiohttp")
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.folder, server.etags, server.ranges = folder, etags, ranges
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
