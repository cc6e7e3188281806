"""The engine of tests and of the Python API: this process, unprotected from pictures that crash it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..outcomes import Rejected
from .base import In, Key, Out, Work
from .resources import usable_cores

__all__ = ["SerialEngine"]


class SerialEngine:
    """Works in this process, with all of its cores."""

    def map(
        self, work: Work[In, Out], tasks: Iterable[tuple[Key, In]]
    ) -> Iterator[tuple[Key, Out | Rejected]]:
        """As `Engine.map`."""
        work.check()
        do = work.start(usable_cores())
        for key, task in tasks:
            yield key, do(task)
