"""A proxy before a store that refuses, breaks off, cuts and delays answers, and counts what passes through it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, cast

Fault = Literal["503", "reset", "cut", "slow", "expired"]

EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"


@dataclass(slots=True)
class Faults:
    """What is to go wrong, in the order of requests, and what was asked.

    Attributes:
        only: the method and the beginning of the path of the requests that it concerns.
    """

    address: str  # of the store
    port: int = 0
    left: list[Fault] = field(default_factory=list)
    only: str = ""
    asked: list[tuple[str, int]] = field(default_factory=list)  # a request, and the bytes of the answer's body

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next(self, request: str) -> Fault | None:
        return self.left.pop(0) if self.left and request.startswith(self.only) else None


class _Server(ThreadingHTTPServer):
    faults: Faults


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        faults = cast("_Server", self.server).faults
        request = f"{self.command} {self.path}"
        fault = faults.next(request)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault in ("503", "expired"):
            data = EXPIRED if fault == "expired" else b""
            faults.asked.append((request, 0))
            self.send_response(403 if fault == "expired" else 503)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(1.0)
        self._answer(faults, request, body, cut=fault == "cut")

    def _answer(self, faults: Faults, request: str, body: bytes, *, cut: bool) -> None:
        upstream = http.client.HTTPConnection(faults.address.removeprefix("http://"))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        upstream.request(self.command, self.path, body=body, headers=headers)
        answer = upstream.getresponse()
        data = answer.read()
        faults.asked.append((request, len(data)))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        upstream.close()

    def log_message(self, *_: object) -> None:
        pass


for _method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._pass)


@contextlib.contextmanager
def before(address: str) -> Iterator[Faults]:
    """A proxy before the store at an address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.faults = Faults(address, server.server_address[1])
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.faults
    finally:
        server.shutdown()
        server.server_close()
