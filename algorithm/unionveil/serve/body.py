"""Bodies of requests, read into memory alone, up to a size and within a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from ..errors import BodyTooLarge, BodyTooSlow

__all__ = ["read_body"]

READ_SECONDS = 60.0
"""For a whole body: 64 MiB at 9 Mbit/s."""

IDLE_SECONDS = 10.0
"""For the next bytes to come."""

_LINGER_SECONDS = 2.0


async def read_body(
    request: Request,
    *,
    most_bytes: int,
    seconds: float = READ_SECONDS,
    idle_seconds: float = IDLE_SECONDS,
    keep: bool = True,
) -> bytes:
    """The whole body of a request, in memory: `request.form()` writes large parts to a temporary file.

    Args:
        request: not read before.
        most_bytes: limit of its size.
        seconds: limit for all of it.
        idle_seconds: limit for each piece.
        keep: whether the bytes are wanted; without it they are read and dropped.

    Raises:
        BodyTooLarge: it is larger; no more of it is read.
        BodyTooSlow: it did not come in time, or the client is gone.
    """
    pieces: list[bytes] = []
    size = 0
    stream = aiter(request.stream())
    if _announced(request) > most_bytes:
        if "expect" not in request.headers:  # else the client waits for our word before it sends the body
            await _linger(stream)
        raise BodyTooLarge(most_bytes)
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream), min(idle_seconds, end - clock()))
        except StopAsyncIteration:
            return b"".join(pieces)
        except (TimeoutError, asyncio.TimeoutError, ClientDisconnect) as error:
            raise BodyTooSlow("the request did not arrive in time; send it again") from error
        size += len(piece)
        if size > most_bytes:
            await _linger(stream)
            raise BodyTooLarge(most_bytes)
        if keep:
            pieces.append(piece)


async def _linger(stream: AsyncIterator[bytes]) -> None:
    """Drops what still comes for a moment: a client that is cut off while it sends never reads the answer."""
    with suppress(TimeoutError, asyncio.TimeoutError, ClientDisconnect):
        await asyncio.wait_for(_drop(stream), _LINGER_SECONDS)


async def _drop(stream: AsyncIterator[bytes]) -> None:
    async for _ in stream:
        pass


def _announced(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() else 0
