"""A server of this project in a thread, and a client that can send any request."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from unionveil.serve.listen import Server, Timeouts, bind


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Running:
    """A running server."""

    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host="Host" in (headers or {}))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if isinstance(body, bytes):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def connect(self, receive_bytes: int | None = None) -> socket.socket:
        connection = socket.socket()
        connection.settimeout(60)
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect(("127.0.0.1", self.port))
        return connection


@contextmanager
def running(
    app: ASGIApp, timeouts: Timeouts | None = None, on_stop: Callable[[], None] = lambda: None
) -> Iterator[Running]:
    """Serves an application on a free port until the block ends."""
    ready = threading.Event()
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = Server(app, listener, ready.set, timeouts or Timeouts(), on_stop)
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    assert ready.wait(20)
    try:
        yield Running(port)
    finally:
        server.stop()
        thread.join()
