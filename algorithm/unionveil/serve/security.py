"""The guard of every server: checks the host, the origin and the credentials of requests."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import NotAllowed, NotAuthorized, RequestError
from .access import Access
from .body import drain, read_body
from .hosts import HostPort, Site, parse_host, parse_origin
from .problems import problem_of

__all__ = ["HEADERS", "Guard", "session_route"]

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

_SESSION_PATH = "/session"
_MOST_TOKEN_BYTES = 1024

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response. Pages load only our own files and pictures that they hold themselves
(`blob:`)."""


class Guard:
    """ASGI middleware that refuses requests, except from our own pages and from programs with credentials.

    Args:
        app: the guarded application.
        site: host names of the server.
        access: who may use it.
        is_public: paths that need no token: the empty page, its scripts and styles, `/healthz`.
    """

    def __init__(self, app: ASGIApp, *, site: Site, access: Access, is_public: Callable[[str], bool]) -> None:
        self._app = app
        self._site = site
        self._access = access
        self._is_public = is_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            self._check(scope["method"], scope["path"], Headers(scope=scope))
        except RequestError as error:
            if scope["method"] not in _SAFE_METHODS:
                await drain(Request(scope, receive))
            await problem_of(error)(scope, receive, send_safely)
        else:
            await self._app(scope, receive, send_safely)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        """Checks a request.

        Raises:
            NotAllowed: it is for another host, or comes from another site.
            NotAuthorized: it has no valid token.
        """
        host = self._host(headers)
        is_safe = method in _SAFE_METHODS
        if not is_safe:
            _check_origin(host, headers)
        if self._access.is_open or path == _SESSION_PATH or (is_safe and self._is_public(path)):
            return
        if self._access.is_bearer(headers.get("authorization")):
            return
        if not self._access.has_session(headers.get("cookie")):
            raise NotAuthorized(
                "this server needs its token: open the address that it printed, or send "
                "'Authorization: Bearer TOKEN'"
            )
        if not is_safe and not {"origin", "sec-fetch-site"} & set(headers.keys()):
            raise NotAllowed("a request with a cookie must name its page in the header Origin")

    def _host(self, headers: Headers) -> HostPort:
        values = headers.getlist("host")
        host = parse_host(values[0]) if len(values) == 1 else None
        if host is None or not self._site.is_ours(host):
            raise NotAllowed(
                "the request is for another host; open the address that the server printed, or start the "
                "server with --name NAME if it has its own name"
            )
        return host


def _check_origin(host: HostPort, headers: Headers) -> None:
    """Refuses requests from pages of other sites; programs send neither of the two headers.

    Raises:
        NotAllowed: the request comes from another origin.
    """
    fetch_site = headers.get("sec-fetch-site", "same-origin")
    # "none" is a user's direct action, such as typing an address.
    is_foreign = fetch_site not in ("same-origin", "none")
    for value in headers.getlist("origin"):
        origin = parse_origin(value)
        is_foreign |= origin is None or not _is_same(origin, host)
    if is_foreign:
        raise NotAllowed(
            "the request comes from a page of another site; this server answers only its own pages"
        )


def _is_same(origin: HostPort, host: HostPort) -> bool:
    # A Host header may include the scheme's default port, an Origin never does.
    return origin.host == host.host and origin.port == (None if host.port in (80, 443) else host.port)


def session_route(access: Access) -> Route:
    """`POST /session`: exchanges the token in the body for the cookie."""

    async def exchange(request: Request) -> Response:
        body = await read_body(request, most_bytes=_MOST_TOKEN_BYTES)
        session = access.exchange(body.decode("ascii", "replace"))
        if session is None:
            raise NotAuthorized(
                "this link was already used, or belongs to another server; start the server again"
            )
        response = Response(status_code=204)
        response.set_cookie(access.cookie, session, httponly=True, samesite="strict", path="/")
        return response

    return Route(_SESSION_PATH, exchange, methods=["POST"])
