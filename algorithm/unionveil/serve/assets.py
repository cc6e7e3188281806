"""The pages' own files: part of the package, read once, served with their media type."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["asset_route", "load_assets", "page_route"]

_TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
}
"""Media types by suffix; `static/` holds no other files."""


def load_assets() -> dict[str, Response]:
    """Every file of `static/` as a response, by its path in that folder."""
    return {
        name: Response(file.read_bytes(), media_type=_TYPES[name.rpartition(".")[2]])
        for name, file in _walk(files(__package__) / "static", "")
    }


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry


def asset_route(assets: dict[str, Response]) -> Route:
    """`GET /static/PATH`."""

    async def asset(request: Request) -> Response:
        try:
            return assets[request.path_params["path"]]
        except KeyError:
            raise HTTPException(404) from None

    return Route("/static/{path:path}", asset)


def page_route(path: str, assets: dict[str, Response], name: str) -> Route:
    """`GET path`: one of the pages in `static/`.

    Args:
        path: of the page on the server.
        assets: as returned by `load_assets`.
        name: of the file.
    """
    response = assets[name]

    async def page(_: Request) -> Response:
        return response

    return Route(path, page)
