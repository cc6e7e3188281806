"""The worker's side of the pipe.

The work comes through it too: its modules are most of a worker's start, and are imported once the collector
of garbage is set.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ..heap import collect_rarely

if TYPE_CHECKING:
    from .base import Step

__all__ = ["serve"]

_REPORT_SECONDS = 0.25
"""Least time between two progress reports that are sent."""


def serve(threads: int, connection: Connection) -> None:
    """The main function of a worker: returns when the pipe is closed or the parent is gone.

    Args:
        threads: threads for one task.
        connection: brings a `Work` and then tasks, and takes results and errors.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    collect_rarely()
    from ..errors import UnionVeilError
    from .base import begin

    try:
        work = connection.recv()
    except EOFError:  # the parent is gone
        return
    with suppress(EOFError, OSError):
        do: Callable[[Any], Any] | None = None
        try:
            do = begin(work, threads, _Reporter(connection))
            connection.send(None)
        except UnionVeilError as error:
            connection.send(error)
        while do is not None:
            task = connection.recv()
            try:
                answer = do(task)
            except UnionVeilError as error:
                answer = error
            connection.send(answer)


class _Reporter:
    """Sends progress reports through a pipe, a few per second at most."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = -_REPORT_SECONDS

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._last >= _REPORT_SECONDS:
            self._last = now
            self._connection.send(step)


def _end_with_parent() -> None:
    """Ends the process when its parent ends: it must not write into a folder that the next run uses."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
