"""Engines and work: tasks are described apart from the processes that do them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from ..models.cards import ModelCard
from ..outcomes import Rejected

__all__ = ["Engine", "Task", "Work"]


class Task(Protocol):
    """One piece of work. Implementations can be pickled."""

    @property
    def held_bytes(self) -> int:
        """Memory that the task takes while it waits."""
        ...


In = TypeVar("In", bound=Task)
Out = TypeVar("Out")
InContra = TypeVar("InContra", bound=Task, contravariant=True)
OutCo = TypeVar("OutCo", covariant=True)
Key = TypeVar("Key")


class Work(Protocol[InContra, OutCo]):
    """Something to be done to each task. Implementations are frozen dataclasses and can be pickled."""

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The weights that the work uses; nothing is loaded to know them."""
        ...

    def check(self) -> None:
        """Makes sure that the work can start: called once, before any worker is.

        Raises:
            ModelError: weights are missing or altered.
            ConfigError: a file that the settings name cannot be used.
        """
        ...

    def start(self, threads: int) -> Callable[[InContra], OutCo]:
        """Loads what the work needs; called once in every worker.

        Args:
            threads: threads for one task, at least 1.
        """
        ...


class Engine(Protocol):
    """Does work on many tasks."""

    def map(
        self, work: Work[In, Out], tasks: Iterable[tuple[Key, In]]
    ) -> Iterator[tuple[Key, Out | Rejected]]:
        """The results of all tasks, in their order; tasks are taken only as they are needed.

        Args:
            work: what to do.
            tasks: keys, handed through, and tasks.

        Yields:
            Each key with what the work made of its task, or with `Rejected` if the task stopped its worker or
            took too long.

        Raises:
            UnionVeilError: the work raised it, or it cannot start.
        """
        ...
