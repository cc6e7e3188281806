"""Engines and work: tasks are described separately from the processes that do them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from ..models.cards import ModelCard
from ..outcomes import Rejected

__all__ = ["Engine", "Report", "Reporting", "Step", "Task", "Work", "begin"]


@dataclass(frozen=True)
class Step:
    """A long task's report of its progress.

    Attributes:
        what: the current step, in a word or two.
        done: the part of `total` that is done.
        total: in the same unit; 0 where it is unknown.
    """

    what: str
    done: float
    total: float


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


Report: TypeAlias = Callable[[Step], None]
"""Receives progress reports; while a task sends them, it does not run out of time."""


@runtime_checkable
class Reporting(Protocol):
    """A `Work` with long tasks, which report their progress."""

    def start_reporting(self, threads: int, report: Report) -> Callable[[Any], Any]:
        """As `Work.start`.

        Args:
            threads: threads for one task, at least 1.
            report: called with every progress report.
        """
        ...


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


def begin(work: Work[In, Out], threads: int, report: Report) -> Callable[[In], Out]:
    """Starts a work, with progress reports if it sends any."""
    if isinstance(work, Reporting):
        return work.start_reporting(threads, report)
    return work.start(threads)


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
