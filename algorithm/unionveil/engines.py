"""Who does the work: this process, or several workers. Results come in the order of the inputs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Generic, Protocol, TypeVar

import cv2

from .config import AnonymizeConfig
from .detect import FaceFinder, ModelCard
from .pipeline import Anonymizer, Outcome, Rejected
from .resources import usable_cores

__all__ = ["Engine", "PoolEngine", "SerialEngine"]

Key = TypeVar("Key")

_IN_FLIGHT_BYTES = 256 << 20
"""Files that wait for a worker or for their turn, together; a larger one waits alone."""

_CRASHED = Rejected("crashed", "reading the picture stopped the program: out of memory, or a damaged file")


class Engine(Protocol):
    """Turns contents into outcomes."""

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The weights in use."""
        ...

    def run(self, items: Iterable[tuple[Key, bytes | Outcome]]) -> Iterator[tuple[Key, Outcome]]:
        """Anonymizes every content, in order; what is an outcome already passes through.

        Raises:
            ModelError: a model failed.
            ConfigError: the overlay's picture cannot be read.
        """
        ...


class SerialEngine:
    """Works in this process.

    Args:
        config: all settings.

    Raises:
        ModelError: weights are missing, altered or cannot be loaded.
    """

    def __init__(self, config: AnonymizeConfig) -> None:
        self._anonymizer = Anonymizer(config, threads=usable_cores())

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The weights in use."""
        return self._anonymizer.cards

    def run(self, items: Iterable[tuple[Key, bytes | Outcome]]) -> Iterator[tuple[Key, Outcome]]:
        """As `Engine.run`."""
        for key, content in items:
            yield key, self._anonymizer(content) if isinstance(content, bytes) else content


class PoolEngine:
    """Works in processes of its own, each with its models loaded once.

    A worker that dies (out of memory, a decoder's crash) takes nobody with it: the pictures that were under
    way are tried again one by one, and the one that kills its worker again is rejected.

    Args:
        config: all settings.
        jobs: number of workers.

    Raises:
        ModelError: weights are missing, altered or cannot be loaded.
    """

    def __init__(self, config: AnonymizeConfig, jobs: int) -> None:
        self._config = config
        self._jobs = jobs
        # Fails here, once, rather than in every worker.
        self.cards = FaceFinder(config).cards

    def run(self, items: Iterable[tuple[Key, bytes | Outcome]]) -> Iterator[tuple[Key, Outcome]]:
        """As `Engine.run`."""
        source = iter(items)
        window: deque[_Slot[Key]] = deque()
        waiting_bytes = 0
        more = True
        with _Workers(self._config, self._jobs) as workers:
            while more or window:
                while more and len(window) < 2 * self._jobs and waiting_bytes < _IN_FLIGHT_BYTES:
                    item = next(source, None)
                    if item is None:
                        more = False
                    else:
                        key, content = item
                        slot = _Slot(key, content, workers.submit(content))
                        waiting_bytes += slot.size_bytes
                        window.append(slot)
                if window:
                    slot = window.popleft()
                    outcome = slot.outcome()
                    if outcome is None:
                        outcome = self._alone(slot)
                        for other in window:
                            if other.outcome() is None:
                                other.content = self._alone(other)
                        workers.restart()
                    waiting_bytes -= slot.size_bytes
                    yield slot.key, outcome

    def _alone(self, slot: _Slot[Key]) -> Outcome:
        """Tries a picture, whose worker died with others, in a worker of its own."""
        with _Workers(self._config, 1) as worker:
            return _Slot(slot.key, slot.content, worker.submit(slot.content)).outcome() or _CRASHED


class _Slot(Generic[Key]):
    """One input on its way; `content` is an outcome where nothing is left to do."""

    def __init__(self, key: Key, content: bytes | Outcome, future: Future[Outcome] | None) -> None:
        self.key = key
        self.content = content
        self.size_bytes = len(content) if isinstance(content, bytes) else 0
        self._future = future

    def outcome(self) -> Outcome | None:
        """What became of it, waiting if need be; None if its worker died."""
        if not isinstance(self.content, bytes):
            return self.content
        if self._future is None:
            return None
        try:
            return self._future.result()
        except BrokenProcessPool:
            return None


class _Workers:
    """A pool that can be thrown away at any moment, and goes when this process goes."""

    def __init__(self, config: AnonymizeConfig, jobs: int) -> None:
        self._config = config
        self._jobs = jobs
        self._start()

    def _start(self) -> None:
        # spawn: forking a process that has run ONNX Runtime or OpenCV threads is not safe.
        context = multiprocessing.get_context("spawn")
        listener, self._lifeline = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            self._jobs,
            mp_context=context,
            initializer=_initialize,
            initargs=(self._config, max(1, usable_cores() // self._jobs), listener),
        )

    def submit(self, content: bytes | Outcome) -> Future[Outcome] | None:
        """Starts work on a content; None if there is none to do or the pool is broken."""
        if not isinstance(content, bytes):
            return None
        # Workers start inside `submit` and inherit the mask: Ctrl-C is this process's business alone.
        with _interrupts_blocked(), suppress(BrokenProcessPool):
            return self._pool.submit(_work, content)
        return None

    def restart(self) -> None:
        """New workers in place of a broken pool's."""
        self._stop()
        self._start()

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        # Closing the lifeline ends workers in the middle of a picture: an interrupt need not wait for them.
        self._lifeline.close()
        self._pool.shutdown(wait=True, cancel_futures=True)


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


_anonymizer: Anonymizer | None = None
_settings: tuple[AnonymizeConfig, int] | None = None


def _initialize(config: AnonymizeConfig, threads: int, lifeline: Connection) -> None:
    """Prepares a worker; its models are loaded with its first picture, where an error can be reported."""
    global _settings
    _settings = config, threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(threads)
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()


def _die_with_parent(lifeline: Connection) -> None:
    wait([lifeline])
    os._exit(1)


def _work(content: bytes) -> Outcome:
    global _anonymizer
    if _anonymizer is None:
        if _settings is None:
            raise RuntimeError("a worker was not initialized")
        config, threads = _settings
        _anonymizer = Anonymizer(config, threads=threads)
    return _anonymizer(content)
