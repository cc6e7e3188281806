"""The application of `unionveil serve`: its routes, and how a picture passes through them."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from .. import __version__
from ..config import AnonymizeConfig
from ..detections import Kind
from ..errors import BodyTooSlow, UnionVeilError
from ..outcomes import Anonymized, Rejected
from . import answers, metrics
from .access import Access
from .body import drain
from .hosts import Site
from .limits import Places, RateLimit
from .metrics import Metrics
from .multipart import encode
from .openapi import parameter_list, schema
from .pictures import Answer, Found, PictureTask
from .problems import problem, problem_of, rejection
from .requests import Limits, blur_task, find_task, redact_task
from .site import build_site

__all__ = ["Api", "Submit", "build_app"]

Submit: TypeAlias = Callable[[PictureTask], Awaitable[Answer]]
"""Submits a task; cancelling it withdraws the task if it is still waiting."""

_ReadTask: TypeAlias = Callable[[Request, AnonymizeConfig, Limits], Awaitable[PictureTask]]


class _Respond(Protocol):
    def __call__(self, request: Request, task: PictureTask, answer: Anonymized | Found) -> Response: ...


@dataclass(frozen=True)
class Api:
    """State shared by all routes.

    Attributes:
        config: settings that a request does not override.
        submit: does the work.
        limits: of a body.
        places: slots for pictures.
        rate: limits the requests per client.
        metrics: counters.
    """

    config: AnonymizeConfig
    submit: Submit
    limits: Limits
    places: Places
    rate: RateLimit
    metrics: Metrics = field(default_factory=Metrics)


def build_app(api: Api, *, site: Site, access: Access) -> Starlette:
    """The application behind its guard.

    Args:
        api: settings, work and limits.
        site: host names of the server.
        access: who may use it.
    """
    document = schema(api.config, needs_token=not access.is_open)

    async def parameters(_: Request) -> Response:
        return JSONResponse(parameter_list(api.config))

    async def openapi(_: Request) -> Response:
        return JSONResponse(document)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def counters(_: Request) -> Response:
        return PlainTextResponse(api.metrics.text(api.places.taken), media_type=metrics.MEDIA_TYPE)

    routes: list[BaseRoute] = [
        Route("/v1/redact", PictureRoute("/v1/redact", api, redact_task, _redacted), methods=["POST"]),
        Route("/v1/find", PictureRoute("/v1/find", api, find_task, _found), methods=["POST"]),
        Route("/blur/", PictureRoute("/blur/", api, blur_task, _blurred), methods=["POST"]),
        Route("/v1/parameters", parameters),
        Route("/openapi.json", openapi),
        Route("/healthz", health),
        Route("/metrics", counters),
    ]
    return build_site(routes, page="drop.html", site=site, access=access)


class PictureRoute:
    """A route that accepts a picture, as an ASGI application: the picture holds its slot until it is sent."""

    def __init__(self, route: str, api: Api, read: _ReadTask, respond: _Respond) -> None:
        self._route = route
        self._api = api
        self._read = read
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        request = Request(scope, receive)
        try:
            self._api.rate.take(request.client.host if request.client else "")
            with self._api.places.one():
                await self._send(await self._answer(request), scope, receive, send)
        except UnionVeilError as error:
            await drain(request)
            await self._send(problem_of(error), scope, receive, send)

    async def _send(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        self._api.metrics.answered(self._route, response.status_code)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            task = await self._read(request, self._api.config, self._api.limits)
            begun = time.monotonic()
            answer = await _unless_gone(request, self._api.submit(task))
        except UnionVeilError as error:
            await drain(request)
            return problem_of(error)
        except Exception as error:
            return problem(500, f"an unexpected {type(error).__name__}; the picture was not anonymized")
        self._api.metrics.done(_outcome(answer), time.monotonic() - begun)
        return rejection(answer) if isinstance(answer, Rejected) else self._respond(request, task, answer)


async def _unless_gone(request: Request, work: Awaitable[Answer]) -> Answer:
    """The work's result; the work is cancelled if the client disconnects.

    Raises:
        BodyTooSlow: the client has disconnected; nobody reads the message.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise BodyTooSlow("the client has disconnected")
    finally:
        for future in (working, watching):
            future.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def _outcome(answer: Answer) -> str:
    match answer:
        case Rejected():
            return answer.reason
        case Found():
            return "found"
        case _:
            return "redacted"


def _redacted(request: Request, task: PictureTask, answer: Anonymized | Found) -> Response:
    assert isinstance(answer, Anonymized)  # noqa: S101
    if answers.wants_json(request.headers.get("accept", "")):
        return answers.as_json(answer, task.config)
    return answers.picture(answer, task.config)


def _found(request: Request, task: PictureTask, answer: Anonymized | Found) -> Response:  # noqa: ARG001
    assert isinstance(answer, Found)  # noqa: S101
    return answers.found(answer)


def _blurred(request: Request, task: PictureTask, answer: Anonymized | Found) -> Response:  # noqa: ARG001
    """The response of sgblur: https://github.com/cquest/sgblur, src/blur/blur_api.py and semantics.py."""
    assert isinstance(answer, Anonymized)  # noqa: S101
    # It identifies the parts of the picture that sgblur keeps on request. None are kept here.
    blurring_id = secrets.token_hex(16)
    if "multipart/form-data" in request.headers.get("accept", ""):
        metadata: Mapping[str, Any] = {
            "annotations": [],
            "service_name": "UnionVeil",
            "blurring_id": blurring_id,
        }
        content_type, body = encode(
            {
                "metadata": ("application/json", json.dumps(metadata).encode()),
                "image": ("image/jpeg", answer.data),
            }
        )
        return Response(body, headers={"Content-Type": content_type})
    info = [
        {"class": Kind(int(kind)).name.lower(), "confidence": round(float(score), 3), "xywh": _xywh(xyxy)}
        for found in answer.faces
        for xyxy, score, kind in zip(found.xyxy, found.score, found.kind, strict=True)
    ]
    header = json.dumps({"info": info, "salt": blurring_id}, separators=(",", ":"))
    return Response(answer.data, media_type="image/jpeg", headers={"x-sgblur": header})


def _xywh(xyxy: Any) -> list[int]:
    x0, y0, x1, y1 = (round(float(value)) for value in xyxy)
    return [x0, y0, x1 - x0, y1 - y0]
