"""Opens a socket, runs a server on it, and shuts it down cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import ConfigError
from .access import Access
from .hosts import Site, is_loopback

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "Server", "Timeouts", "bind", "doors", "open_browser", "url_of"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000

_KEEP_ALIVE_SECONDS = 5
_BACKLOG = 256
_END_SECONDS = 5
"""Time for the requests in progress once the server is asked to stop."""


@dataclass(frozen=True)
class Timeouts:
    """Time limits that uvicorn lacks.

    Attributes:
        head_seconds: for a request's line and headers to arrive.
        write_seconds: for a client to accept a response that does not fit into the system's buffers.
    """

    head_seconds: float = 10.0
    write_seconds: float = 60.0


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound but not listening yet.

    Args:
        host: an address or a name of this machine.
        port: 0 chooses any free one.

    Raises:
        ConfigError: the port is in use, or the host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            DEFAULT_HOST if host == "localhost" else host,
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )[0]
    except OSError as error:
        raise ConfigError(f"host: {host!r} is not an address or a name of this machine") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port or --host"
        ) from error
    return listener


def doors(
    listener: socket.socket, *, token: str | None, names: tuple[str, ...], default: Access
) -> tuple[Site, Access]:
    """Accepted hosts and access to a server, by the address on which it listens.

    Args:
        listener: as returned by `bind`.
        token: shared secret, if one was given.
        names: names that others use to reach the server.
        default: access without a token, from this machine only and without names.

    Raises:
        ConfigError: others can reach the server but there is no token, or it is too short.
    """
    host = str(listener.getsockname()[0])
    only_loopback = is_loopback(host)
    if token is None and (names or not only_loopback):
        setting, place = ("host", host) if not only_loopback else ("name", "the server by name")
        raise ConfigError(
            f"{setting}: others can reach {place}, so a token is needed: --token TOKEN, or UNIONVEIL_TOKEN "
            "in the environment"
        )
    site = Site(only_loopback, frozenset(name.lower() for name in names))
    return site, default if token is None else Access.shared(token)


def url_of(listener: socket.socket, access: Access) -> str:
    """The page's address, with its token in the fragment."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in str(host) else host
    return f"http://{shown}:{port}/{access.fragment}"


def open_browser(url: str) -> None:
    """Opens a page in the user's browser, if there is one; never waits for it."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


class Server(uvicorn.Server):
    """Serves until Ctrl-C or SIGTERM; requests in progress get some seconds, and none after a second signal.

    Args:
        app: the ASGI application.
        listener: as returned by `bind`; closed at the end.
        on_ready: called once the server answers.
        timeouts: for slow clients.
        on_stop: called once the server is asked to stop, so that requests end which wait for news.
    """

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        on_ready: Callable[[], None],
        timeouts: Timeouts = Timeouts(),
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        # Log lines would contain paths, addresses and parts of bodies; we report what is needed ourselves.
        for name in ("uvicorn", "python_multipart"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        super().__init__(_config(app, timeouts))
        self._listener = listener
        self._on_ready = on_ready
        self._on_stop = on_stop

    def serve_until_stopped(self) -> None:
        """Serves, and returns once the server has shut down."""
        with contextlib.closing(self._listener):
            asyncio.run(self.serve(sockets=[self._listener]))

    def stop(self) -> None:
        """Stops the server; may be called from another thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Like uvicorn's, and also reports that the server answers."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Like uvicorn's, and first reports that the server stops."""
        self._on_stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Like uvicorn's, but a signal that stopped the server is not raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        both = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._end) for number in both}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def _config(app: ASGIApp, timeouts: Timeouts) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=partial(_Protocol, timeouts),  # type: ignore[arg-type]
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_END_SECONDS,
    )


class _Protocol(H11Protocol):
    """HTTP/1.1 with time limits for the head of a request and for sending a response, which uvicorn lacks."""

    def __init__(self, timeouts: Timeouts, **options: Any) -> None:
        super().__init__(**options)
        self._timeouts = timeouts
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def on_response_complete(self) -> None:
        self._await_head()  # before handling the next request, which may already have arrived
        super().on_response_complete()

    def handle_events(self) -> None:
        earlier = self.cycle
        super().handle_events()
        if self.cycle is not earlier:
            self._forget_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._timeouts.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._forget_writing()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        self._forget_writing()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._forget_head()
        self._head_timer = self.loop.call_later(self._timeouts.head_seconds, self.transport.close)

    def _forget_writing(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
