"""Limits on the load of one server: slots for pictures, and requests per client."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import Busy, RateLimited

__all__ = ["Places", "RateLimit"]

_MOST_CLIENTS = 10_000
"""Number of clients to remember; the least recent is forgotten first."""

_BUSY_SECONDS = 2


class Places:
    """Slots for pictures that are being read, waiting, processed or sent back.

    Args:
        count: number of slots.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Takes a slot while the block runs.

        Raises:
            Busy: all are taken.
        """
        if self.taken >= self._count:
            raise Busy(_BUSY_SECONDS)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class RateLimit:
    """A token bucket for each client.

    Args:
        per_minute: requests that one client may make; infinite for no limit.
        clock: a monotonic time in seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Counts a request.

        Raises:
            RateLimited: the client's bucket is empty.
        """
        if math.isinf(self._per_minute):
            return
        now = self._clock()
        tokens, then = self._clients.pop(client, (self._per_minute, now))
        tokens = min(self._per_minute, tokens + (now - then) * self._per_minute / 60)
        is_over = tokens < 1
        self._clients[client] = (tokens if is_over else tokens - 1, now)
        if len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        if is_over:
            raise RateLimited(math.ceil((1 - tokens) * 60 / self._per_minute))
