"""Engines and work: tasks are described separately from the processes that do them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from ..models.cards import ModelCard
from ..outcomes import Rejected

__all__ = ["Engine", "Task", "Work"]


class Task(Protocol):
    """One unit of work. Implementations can be pickled."""

    @property
    def held_bytes(self) -> int:
        """Memory that the task uses while it waits."""
        ...

    @property
    def needed_bytes(self) -> int:
        """Estimate of the memory that a worker needs for the task in addition to its models."""
        ...


In = TypeVar("In", bound=Task)
Out = TypeVar("Out")
InContra = TypeVar("InContra", bound=Task, contravariant=True)
OutCo = TypeVar("OutCo", covariant=True)
Key = TypeVar("Key")


class Work(Protocol[InContra, OutCo]):
    """An operation on tasks. Implementations are frozen dataclasses and can be pickled."""

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The weights that the work uses; no weights are loaded."""
        ...

    def check(self) -> None:
        """Checks that the work can start: called once, before any worker starts.

        Raises:
            ModelError: weights are missing or altered.
            ConfigError: a file named in the settings cannot be used.
        """
        ...

    def start(self, threads: int) -> Callable[[InContra], OutCo]:
        """Loads everything that the work needs; called once in every worker.

        Args:
            threads: threads for one task, at least 1.
        """
        ...


class Engine(Protocol):
    """Runs work on many tasks."""

    def map(
        self, work: Work[In, Out], tasks: Iterable[tuple[Key, In]]
    ) -> Iterator[tuple[Key, Out | Rejected]]:
        """The results of all tasks, in their order; tasks are taken only as needed.

        Args:
            work: what to do.
            tasks: keys, which are passed through, and tasks.

        Yields:
            Each key with the result of its task, or with `Rejected` if the task terminated its worker or took
            too long.

        Raises:
            UnionVeilError: the work raised it, or it cannot start.
        """
        ...
