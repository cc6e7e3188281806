"""Processes that anonymize, one picture at a time each.

The standard library's process pool is not used: it breaks as a whole when one worker dies, and before Python
3.12 it hangs if that happens while a large picture is on its way to a worker.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import cast

import cv2

from .config import AnonymizeConfig
from .errors import UnionVeilError
from .outcomes import Outcome, Rejected
from .pipeline import Anonymizer
from .resources import usable_cores

__all__ = ["Task", "Workers"]

_CRASHED = Rejected("crashed", "reading the picture stopped the program: out of memory, or a damaged file")


class Task:
    """One picture on its way.

    Attributes:
        content: the file's bytes; let go as soon as the outcome is known.
        size_bytes: their number.
        outcome: what became of it; None until that is known.
        deaths: workers that died over it.
        is_running: whether a worker has it.
    """

    def __init__(self, content: bytes | Outcome) -> None:
        self.content = content if isinstance(content, bytes) else b""
        self.size_bytes = len(self.content)
        self.outcome = None if isinstance(content, bytes) else content
        self.deaths = 0
        self.is_running = False


class Workers:
    """A fixed number of worker processes, to be entered with `with`.

    A picture whose worker dies is tried once more while no other is under way, since it may have been another
    one that took the memory, and is rejected if that kills a worker again.

    Args:
        config: all settings.
        count: number of processes.
    """

    def __init__(self, config: AnonymizeConfig, count: int) -> None:
        self._settings = config, max(1, usable_cores() // count)
        self._workers = [_Worker(*self._settings) for _ in range(count)]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()

    def assign(self, tasks: Iterable[Task]) -> None:
        """Gives idle workers the first tasks that nobody has."""
        idle = [worker for worker in self._workers if worker.task is None]
        alone = any(worker.task and worker.task.deaths for worker in self._workers)
        for task in tasks:
            if task.outcome is not None or task.is_running:
                continue
            # What has killed a worker runs alone, when all that was begun before is done.
            if alone or not idle or (task.deaths and len(idle) < len(self._workers)):
                return
            idle.pop().give(task)
            alone = bool(task.deaths)

    def wait(self) -> None:
        """Waits until at least one task that is running has its outcome, or its worker has died.

        Raises:
            ModelError: a model failed.
            ConfigError: the overlay's picture cannot be read.
        """
        busy = {worker.connection: number for number, worker in enumerate(self._workers) if worker.task}
        for connection in wait(list(busy)):
            number = busy[cast(Connection, connection)]
            if not self._workers[number].take():
                self._workers[number].stop()
                self._workers[number] = _Worker(*self._settings)


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, config: AnonymizeConfig, threads: int) -> None:
        self.task: Task | None = None
        # spawn: forking a process that has run ONNX Runtime or OpenCV threads is not safe.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(config, threads, theirs), daemon=True)
        # The process inherits the mask: Ctrl-C is its parent's business alone.
        with _interrupts_blocked():
            self._process.start()
        # With only the process holding the other end, its death shows as the end of the pipe.
        theirs.close()

    def give(self, task: Task) -> None:
        """Hands over a picture."""
        self.task = task
        task.is_running = True
        with suppress(OSError):  # the process has died; `take` finds out
            self.connection.send_bytes(task.content)

    def take(self) -> bool:
        """Fetches the outcome of the picture at hand; False if the process has died over it.

        Raises:
            UnionVeilError: what the process raised.
        """
        task, self.task = self.task, None
        if task is None:
            return True
        task.is_running = False
        try:
            answer: Outcome | UnionVeilError = self.connection.recv()
        except (EOFError, OSError):
            task.deaths += 1
            if task.deaths == 2:
                task.outcome = _CRASHED
            return False
        if isinstance(answer, UnionVeilError):
            raise answer
        task.outcome = answer
        task.content = b""
        return True

    def stop(self) -> None:
        """Ends the process, in the middle of a picture if need be."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(config: AnonymizeConfig, threads: int, connection: Connection) -> None:
    """A worker's life: it ends when the other end of the pipe is closed or its parent is gone."""
    cv2.setNumThreads(threads)
    anonymizer = None
    with suppress(EOFError, OSError):
        while True:
            content = connection.recv_bytes()
            answer: Outcome | UnionVeilError
            try:
                anonymizer = anonymizer or Anonymizer(config, threads=threads)
                answer = anonymizer(content)
            except UnionVeilError as error:
                answer = error
            connection.send(answer)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
