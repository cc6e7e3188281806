"""Who does the work: this process, or several workers. Results come in the order of the inputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from .config import AnonymizeConfig
from .detect import FaceFinder, ModelCard
from .outcomes import Outcome
from .pipeline import Anonymizer
from .resources import usable_cores
from .workers import Task, Workers

__all__ = ["Engine", "PoolEngine", "SerialEngine"]

Key = TypeVar("Key")

_IN_FLIGHT_BYTES = 256 << 20
"""Files that wait for a worker or for their turn, together; a larger one waits alone."""


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

    A worker that dies takes nobody with it; see `workers.Workers`.

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
        window: deque[tuple[Key, Task]] = deque()
        with Workers(self._config, self._jobs) as workers:
            while self._fill(window, source):
                workers.assign([task for _, task in window])
                key, task = window[0]
                if task.outcome is None:
                    workers.wait()
                else:
                    window.popleft()
                    yield key, task.outcome

    def _fill(self, window: deque[tuple[Key, Task]], source: Iterator[tuple[Key, bytes | Outcome]]) -> bool:
        """Takes inputs while there is room; False when nothing is left to take or to wait for."""
        while len(window) < 2 * self._jobs and sum(task.size_bytes for _, task in window) < _IN_FLIGHT_BYTES:
            item = next(source, None)
            if item is None:
                break
            window.append((item[0], Task(item[1])))
        return bool(window)
