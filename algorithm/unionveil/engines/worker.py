"""One worker process and the pipe to it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Any

from ..errors import UnionVeilError, WorkerError
from .base import Step, Work
from .processes import Started

__all__ = ["Gone", "Worker"]


class Gone(Enum):
    """The reason why a task has no result."""

    DIED = auto()
    TOO_SLOW = auto()


class Worker:
    """A process that does one task at a time.

    Args:
        started: the process.
        work: the work it does.
        start_seconds: time limit for loading everything that the work needs.

    Raises:
        WorkerError: the process ends before it is ready, or takes too long.
        UnionVeilError: the work cannot start.
    """

    def __init__(self, started: Started, work: Work[Any, Any], start_seconds: float) -> None:
        self._started = started
        try:
            with suppress(OSError):  # the process died
                self._started.connection.send(work)
            self._await_start(start_seconds)
        except BaseException:
            self.stop()
            raise

    def _await_start(self, seconds: float) -> None:
        if isinstance(self._receive(seconds), Gone):
            raise WorkerError(self._started.process.exitcode)

    def do(self, task: Any, timeout_seconds: float, on_step: Callable[[Step], None] = lambda _: None) -> Any:
        """The result of a task, or `Gone`; the worker is unusable after the latter.

        Args:
            task: what to do.
            timeout_seconds: longest time without the result or a progress report.
            on_step: called with every progress report.

        Raises:
            UnionVeilError: the work raised it.
        """
        try:
            self._started.connection.send(task)
        except OSError:  # the process died
            return Gone.DIED
        while isinstance(answer := self._receive(timeout_seconds), Step):
            on_step(answer)
        return answer

    def _receive(self, timeout_seconds: float) -> Any:
        try:
            if not self._started.connection.poll(timeout_seconds):
                return Gone.TOO_SLOW
            answer = self._started.connection.recv()
        except (EOFError, OSError):
            self._started.process.join()
            return Gone.DIED
        if isinstance(answer, UnionVeilError):
            raise answer
        return answer

    def stop(self) -> None:
        """Terminates the process, even in the middle of a task."""
        self._started.stop()

    def kill(self) -> None:
        """Kills the process from another thread than the one that waits for it, which then calls `stop`."""
        self._started.process.kill()
