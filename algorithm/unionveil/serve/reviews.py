"""The HTTP API behind the review page. It serves one browser on this machine; see `review/session.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..boxes import expand
from ..config import AnonymizeConfig
from ..detections import KindCounts
from ..errors import ReviewError
from ..outcomes import Rejected
from ..review.model import Edit
from ..review.outputs import Outputs
from ..review.session import Photo, Session
from ..review.view import FULL_PX, SCREEN_PX, THUMBNAIL_PX
from .access import Access
from .body import read_body
from .hosts import Site
from .problems import rejection
from .site import build_site

__all__ = ["Review", "review_app"]

_MOST_EDIT_BYTES = 4 << 20
_POLL_SECONDS = 20.0
_STEP_SECONDS = 0.1
_SIZES = {"thumbnail": THUMBNAIL_PX, "screen": SCREEN_PX, "full": FULL_PX}


_R = TypeVar("_R", bound=BaseModel)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    revision: int = Field(ge=0)
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")


class _EditRequest(_Request):
    edit: Edit


@dataclass(frozen=True)
class Review:
    """The review that the page shows.

    Attributes:
        session: photos and edits.
        outputs: writes approved photos.
        config: all settings; the page shows how faces are covered.
        name: of the folder, for the page's title.
        keep_unreviewed: whether to write photos without a verdict, too.
    """

    session: Session
    outputs: Outputs
    config: AnonymizeConfig
    name: str
    keep_unreviewed: bool = False


def review_app(
    review: Review,
    *,
    site: Site,
    access: Access,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """The application: the page and its API, behind the guard.

    Args:
        review: the review to show.
        site: host names of the server.
        access: who may use it.
        lifespan: context that is entered before the first request and left after the last.
    """
    api = _Api(review)
    routes = [
        Route("/api/review", api.about),
        Route("/api/changes", api.changes),
        Route("/api/photos/{number:int}", api.photo),
        Route("/api/photos/{number:int}/edits", api.edit, methods=["POST"]),
        Route("/api/photos/{number:int}/{size}.jpg", api.picture),
        Route("/api/undo", api.undo, methods=["POST"]),
        Route("/api/redo", api.redo, methods=["POST"]),
        Route("/api/outputs", api.write, methods=["POST"]),
    ]
    return build_site(routes, page="review.html", site=site, access=access, lifespan=lifespan)


class _Api:
    """One method for each route."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._session = review.session

    async def about(self, _: Request) -> Response:
        """The constants: the folders and the settings of the covers."""
        config = self._review.config
        redaction = config.redaction
        return JSONResponse(
            {
                "name": self._review.name,
                "outputs": str(self._review.outputs.folder),
                "keepUnreviewed": self._review.keep_unreviewed,
                "method": redaction.method,
                "color": getattr(redaction, "color", None),
                "shape": config.shape,
                "margins": _margins(config.margin),
                "textMargin": config.text_margin,
            }
        )

    async def changes(self, request: Request) -> Response:
        """Waits until something has changed since an event, the review is closed, or a time limit is over."""
        since = _number(request, "since")
        clock = asyncio.get_running_loop().time
        end = clock() + min(_POLL_SECONDS, _number(request, "wait", 0))
        while self._session.event <= since and not self._session.is_closed and clock() < end:
            if await request.is_disconnected():
                break
            await asyncio.sleep(_STEP_SECONDS)
        event, photos = self._session.since(since)
        return JSONResponse(
            {
                "event": event,
                "revision": self._session.revision,
                "counts": asdict(self._session.counts()),
                "failure": self._session.failure,
                "writing": self._writing(),
                "photos": [self._row(photo) for photo in photos],
            }
        )

    async def photo(self, request: Request) -> Response:
        """Everything about one photo, which the detector processes next."""
        photo = self._photo(request)
        if self._session.seen(photo) is None:
            self._session.want(photo.number)
        return JSONResponse(self._whole(photo))

    async def picture(self, request: Request) -> Response:
        """A photo as a JPEG; `covered` shows it with its covers. Its value names the state, for caches."""
        photo = self._photo(request)
        longest_px = _SIZES.get(request.path_params["size"])
        if longest_px is None:
            raise HTTPException(404)
        covers = None
        if "covered" in request.query_params:
            state = self._session.state(photo)
            covers = [box for box in state.boxes if box.covered] if state else []
        future = self._session.draw(photo.number, _number(request, "frame", 0), longest_px, covers)
        result = await asyncio.wrap_future(future)
        return (
            rejection(result) if isinstance(result, Rejected) else Response(result, media_type="image/jpeg")
        )

    async def edit(self, request: Request) -> Response:
        """Adds, moves and removes boxes, approves and flags."""
        photo = self._photo(request)
        asked = await _asked(request, _EditRequest)
        self._session.edit(photo.number, asked.revision, asked.id, asked.edit)
        return JSONResponse(self._whole(photo))

    async def undo(self, request: Request) -> Response:
        """Undoes the last edit, whichever photo it changed."""
        return await self._step(request, redo=False)

    async def redo(self, request: Request) -> Response:
        """Redoes the last undone edit."""
        return await self._step(request, redo=True)

    async def _step(self, request: Request, *, redo: bool) -> Response:
        asked = await _asked(request, _Request)
        photo = self._session.step(asked.revision, asked.id, redo=redo)
        if photo is None:
            return JSONResponse({"revision": self._session.revision, "number": None})
        return JSONResponse(self._whole(photo))

    async def write(self, _: Request) -> Response:
        """Starts writing the approved photos."""
        plan = self._session.plan(keep_unreviewed=self._review.keep_unreviewed)
        self._review.outputs.write(plan, self._session.revision, self._session.touch)
        self._session.touch()
        return JSONResponse(self._writing(), 202)

    def _photo(self, request: Request) -> Photo:
        photo = self._session.find(request.path_params["number"])
        if photo is None:
            raise HTTPException(404)
        return photo

    def _writing(self) -> dict[str, Any]:
        writing = self._review.outputs.writing
        counts = writing.counts.model_dump() if writing.counts else None
        return {
            "status": writing.status,
            "done": writing.done,
            "problem": writing.problem,
            "revision": writing.revision,
            "counts": counts,
        }

    def _row(self, photo: Photo) -> dict[str, Any]:
        """The data for the rail."""
        state, seen = self._session.state(photo), self._session.seen(photo)
        covered = [box for box in state.boxes if box.covered] if state else []
        counts = KindCounts.of(box.detected for box in covered)
        rejected = seen is not None and seen.rejected is not None
        return {
            "number": photo.number,
            "name": photo.name,
            "place": self._session.place(photo),
            "verdict": "rejected" if rejected else state.verdict if state else "waiting",
            "faces": counts.faces,
            "texts": counts.texts,
            "plates": counts.plates,
            "candidates": len(state.boxes) - len(covered) if state else 0,
        }

    def _whole(self, photo: Photo) -> dict[str, Any]:
        """The data for the stage."""
        state, seen = self._session.state(photo), self._session.seen(photo)
        return {
            **self._row(photo),
            "revision": self._session.revision,
            "sizes": seen.sizes_wh if seen else [],
            "rejected": seen.rejected if seen else None,
            "boxes": [box.model_dump() for box in state.boxes] if state else [],
            "note": state.note if state else "",
        }


def _margins(margin: float) -> list[float]:
    """How far a cover extends beyond its box at the left, top, right and bottom, as shares of its size."""
    unit = np.array([[0, 0, 1, 1]], np.float32)
    return (expand(unit, margin) - unit)[0].tolist()


def _number(request: Request, name: str, default: int | None = None) -> int:
    """A number in a query.

    Raises:
        HTTPException: it is missing or not a whole number.
    """
    text = request.query_params.get(name, "" if default is None else str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise HTTPException(422, f"{name} must be a whole number")
    return int(text)


async def _asked(request: Request, kind: type[_R]) -> _R:
    """The validated body of a request.

    Raises:
        ReviewError: it is invalid.
    """
    body = await read_body(request, most_bytes=_MOST_EDIT_BYTES)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise ReviewError(f"{where}: {first['msg']}") from error
