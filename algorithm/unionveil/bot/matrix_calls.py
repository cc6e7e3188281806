"""Calls of a Matrix server, by matrix-nio or aiohttp: whatever fails on the way is a `RoomError`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import aiohttp
from nio.exceptions import EncryptionError, ProtocolError

from ..errors import RoomError

__all__ = ["expected", "network", "reached", "sure"]

_Response = TypeVar("_Response")


async def sure(call: Awaitable[Any], kind: type[_Response]) -> _Response:
    """The response of a call.

    Raises:
        RoomError: an error response, or no response.
    """
    return expected(await reached(call), kind)


def expected(response: object, kind: type[_Response]) -> _Response:
    """A response of the expected kind.

    Raises:
        RoomError: it is an error response.
    """
    if not isinstance(response, kind):
        code = getattr(response, "status_code", None) or type(response).__name__
        raise RoomError(f"the Matrix server refuses: {code}; check the bot's token and its rights")
    return response


async def reached(call: Awaitable[_Response]) -> _Response:
    """The response of a call, which may be an error response.

    Raises:
        RoomError: no response.
    """
    with network():
        return await call


@contextmanager
def network() -> Iterator[None]:
    """Converts the errors of a network, and of encrypting for a room, to `RoomError`."""
    try:
        yield
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        raise RoomError("the Matrix server cannot be reached; check --homeserver") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RoomError("the Matrix server's answer cannot be read; check --homeserver") from error
    except (EncryptionError, ProtocolError) as error:
        raise RoomError("a message cannot be encrypted for the room") from error
