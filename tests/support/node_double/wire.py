"""HTTP on loopback: requests, answers and the rate limit of a node."""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

Json: TypeAlias = dict[str, Any]

_WINDOW_SECONDS = 60


class Refusal(Exception):
    """An HTTP answer other than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass
class Received:
    """A request as a handler sees it."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.body or b"{}")
        return found


@dataclass(frozen=True)
class Reply:
    """An answer as it is sent."""

    status: int
    kind: str
    data: bytes


def reply_of(value: object) -> Reply:
    """Bytes unchanged, any other value as JSON."""
    if isinstance(value, bytes):
        return Reply(200, "application/octet-stream", value)
    return Reply(200, "application/json", json.dumps(value).encode())


class RateLimit:
    """As utils/validators.ts checkRequestsRateLimit: a fixed window, in which refusals do not count.

    Attributes:
        refused: number of refused requests.
    """

    def __init__(self) -> None:
        self.reset()
        self._lock = threading.Lock()

    def reset(self) -> None:
        self.refused = 0
        self._begun, self._count = 0.0, 0

    def refusal(self, most: int | None, now: float) -> str | None:
        """The sentence that refuses a request, or None if it is allowed.

        Args:
            most: requests per minute; None allows any number.
            now: seconds.
        """
        if most is None:
            return None
        with self._lock:
            age = now - self._begun
            if self._count == 0 or age > _WINDOW_SECONDS:
                self._begun, self._count = now, 1
            elif self._count >= most:
                self.refused += 1
                return f"Rate limit exceeded. Try again in {math.ceil(_WINDOW_SECONDS - age)} seconds."
            else:
                self._count += 1
        return None


class NodeServer:
    """Serves on a free port of loopback inside a `with` block.

    Args:
        reply: answers a request; what it raises cuts the connection if it is a ConnectionError.
    """

    def __init__(self, reply: Callable[[Received], Reply]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(reply))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> NodeServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(reply: Callable[[Received], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def _any(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = reply(Received(self.command, parts.path, query, body))
            self.send_response(answer.status)
            self.send_header("content-type", answer.kind)
            self.send_header("content-length", str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError, TimeoutError):  # a client that went away
                super().handle()

        do_GET = do_POST = do_PUT = _any  # noqa: N815

    return Handler
