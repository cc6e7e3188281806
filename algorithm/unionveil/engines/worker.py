"""One worker process and the pipe to it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import Any

from ..errors import UnionVeilError, WorkerError
from .base import Step, Work
from .child import serve

__all__ = ["Gone", "Worker"]


_BLAS_THREADS = "OPENBLAS_NUM_THREADS"

_STARTING = threading.Lock()
"""Held while a process starts: the environment belongs to all threads."""


class Gone(Enum):
    """The reason why a task has no result."""

    DIED = auto()
    TOO_SLOW = auto()


class Worker:
    """A process that does one task at a time.

    Args:
        work: the work it does.
        threads: threads for one task.
        start_seconds: time limit for loading everything that the work needs.

    Raises:
        WorkerError: the process ends before it is ready, or takes too long.
        UnionVeilError: the work cannot start.
    """

    def __init__(self, work: Work[Any, Any], threads: int, start_seconds: float) -> None:
        # spawn: forking a process that has run ONNX Runtime or OpenCV threads is not safe.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(threads, theirs), daemon=True)
        # The process inherits the mask: only its parent handles Ctrl-C.
        with _interrupts_blocked(), _one_blas_thread():
            self._process.start()
        # As only the process holds the other end, its death shows as the end of the pipe.
        theirs.close()
        try:
            with suppress(OSError):  # the process died
                self._connection.send(work)
            self._await_start(start_seconds)
        except BaseException:
            self.stop()
            raise

    def _await_start(self, seconds: float) -> None:
        if isinstance(self._receive(seconds), Gone):
            raise WorkerError(self._process.exitcode)

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
            self._connection.send(task)
        except OSError:  # the process died
            return Gone.DIED
        while isinstance(answer := self._receive(timeout_seconds), Step):
            on_step(answer)
        return answer

    def _receive(self, timeout_seconds: float) -> Any:
        try:
            if not self._connection.poll(timeout_seconds):
                return Gone.TOO_SLOW
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return Gone.DIED
        if isinstance(answer, UnionVeilError):
            raise answer
        return answer

    def stop(self) -> None:
        """Terminates the process, even in the middle of a task."""
        self._process.kill()
        self._process.join()
        with suppress(OSError):
            self._connection.close()

    def kill(self) -> None:
        """Kills the process from another thread than the one that waits for it, which then calls `stop`."""
        self._process.kill()


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Processes started meanwhile compute with numpy on one thread, unless the environment says otherwise.

    OpenBLAS starts a thread for each core when it is loaded. On two cores that took a fifth of the processor
    time before a run's first photo, and a worker has nothing for them to do.
    """
    with _STARTING:
        before = os.environ.get(_BLAS_THREADS)
        os.environ.setdefault(_BLAS_THREADS, "1")
        try:
            yield
        finally:
            if before is None:
                del os.environ[_BLAS_THREADS]


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # not on Windows

    resource_tracker.ensure_running()  # the first start of one ends by unblocking the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
