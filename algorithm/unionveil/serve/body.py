"""Reads request bodies, into memory only, with limits on size and time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import Request

from ..errors import BodyTooLarge, BodyTooSlow

__all__ = ["drain", "read_body"]

READ_SECONDS = 60.0
"""Time limit for a whole body: 64 MiB at 9 Mbit/s."""

IDLE_SECONDS = 10.0
"""Time limit for the next bytes."""

_LINGER_SECONDS = 2.0

_IS_READ = "unionveil.is_read"
"""Marks a scope whose body has been read to its end."""


async def read_body(
    request: Request,
    *,
    most_bytes: int,
    seconds: float = READ_SECONDS,
    idle_seconds: float = IDLE_SECONDS,
) -> bytes:
    """The whole body of a request, in memory: `request.form()` writes large parts to a temporary file.

    Args:
        request: not read yet.
        most_bytes: limit of its size.
        seconds: time limit for the whole body.
        idle_seconds: time limit for each piece.

    Raises:
        BodyTooLarge: it is larger.
        BodyTooSlow: it did not arrive in time, or the client has disconnected.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise BodyTooLarge(most_bytes)
    body = bytearray()
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while True:
        try:
            message = await asyncio.wait_for(request.receive(), min(idle_seconds, end - clock()))
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise BodyTooSlow("the request did not arrive in time; send it again") from error
        if message["type"] == "http.disconnect":
            raise BodyTooSlow("the client has disconnected")
        body += message.get("body", b"")
        if len(body) > most_bytes:
            raise BodyTooLarge(most_bytes)
        if not message.get("more_body", False):
            request.scope[_IS_READ] = True
            return bytes(body)


async def drain(request: Request) -> None:
    """Discards the rest of a refused body for a moment: a client that is cut off never reads the response.

    A client that waits for "100 Continue" before it sends the body (RFC 9110, section 10.1.1) gets its answer
    immediately.
    """
    if "expect" not in request.headers and _IS_READ not in request.scope:
        with suppress(TimeoutError, asyncio.TimeoutError):
            await asyncio.wait_for(_drop(request), _LINGER_SECONDS)


async def _drop(request: Request) -> None:
    while (await request.receive()).get("more_body", False):
        pass
