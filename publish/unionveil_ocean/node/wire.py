"""Reads answers of an untrusted machine within bounds of time and memory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import MissingExtra

try:
    import httpx
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name)) from error

IDENTITY = {"Accept-Encoding": "identity"}
"""No compression: a few kilobytes of nested gzip unpack to gigabytes in one step."""


def compression_of(response: httpx.Response) -> str | None:
    """The compression of an answer, which the client did not request; None if it is not compressed."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    return None if encoding in ("", "identity") else encoding


class Watchdog:
    """Cuts connections when the time limit is reached.

    httpx's timeouts apply to each read alone, so a server that sends its headers byte by byte could hold a
    client forever.

    Args:
        seconds: time limit of a guarded block.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sockets: list[socket.socket] = []
        self._is_over = threading.Event()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Records new connections; for httpx's `trace` extension."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            found = info["return_value"].get_extra_info("socket")
            self._sockets = [one for one in self._sockets if one.fileno() >= 0] + [found]
            if self._is_over.is_set():
                self._cut()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Guards a block.

        Raises:
            httpx.ReadTimeout: the time limit was reached before the block ended.
        """
        self._is_over.clear()
        timer = threading.Timer(self._seconds, self._bite)
        timer.daemon = True
        timer.start()
        try:
            yield
        except httpx.TransportError as error:
            if self._is_over.is_set():
                raise httpx.ReadTimeout("time is over") from error
            raise
        finally:
            timer.cancel()

    def _bite(self) -> None:
        self._is_over.set()
        self._cut()

    def _cut(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                # The base class's method: a TLS socket's own would drop its state under a running read.
                socket.socket.shutdown(one, socket.SHUT_RDWR)
