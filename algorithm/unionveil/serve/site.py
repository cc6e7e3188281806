"""The common parts of all web applications: guard, errors, static files, the exchange of the token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from .access import Access
from .assets import asset_route, load_assets, page_route
from .hosts import Site
from .problems import HANDLERS
from .security import Guard, session_route

__all__ = ["build_site"]

_PUBLIC = ("/static/", "/healthz")


def build_site(
    routes: Sequence[BaseRoute],
    *,
    page: str,
    site: Site,
    access: Access,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """An application behind the guard.

    Args:
        routes: of the application.
        page: file of `static/` that is served at `/`. It and `/static/` need no token: they hold no data.
        site: host names of the server.
        access: who may use it.
        lifespan: context that is entered before the first request and left after the last.
    """
    assets = load_assets()
    guard = Middleware(
        Guard,
        site=site,
        access=access,
        is_public=lambda path: path == "/" or path.startswith(_PUBLIC),
    )
    own = [page_route("/", assets, page), asset_route(assets), session_route(access)]
    return Starlette(
        routes=[*own, *routes], middleware=[guard], exception_handlers=HANDLERS, lifespan=lifespan
    )
