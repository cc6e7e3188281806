"""Progress of a run in lines of a log: few enough to be read, enough to show that the run is alive."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Pace", "Progress", "duration"]

_FIRST_SECONDS = 10.0
_SHARE = 0.1
"""The next line is due when the run has become longer by this share: about 100 lines per day."""


@dataclass(frozen=True)
class Progress:
    """The progress of a run.

    Attributes:
        done: steps done.
        total: steps in all, as far as they are known.
        per_second: steps per second, on average.
        seconds_left: at that rate; None before the first step.
    """

    done: int
    total: int
    per_second: float
    seconds_left: float | None

    def __str__(self) -> str:
        """As a line of a log: `120 of 2000 (6 %), 1.4 per second, 22 min left`."""
        share = 100 * self.done // max(1, self.total)
        line = f"{self.done} of {self.total} ({share} %), {self.per_second:.3g} per second"
        return line if self.seconds_left is None else f"{line}, {duration(self.seconds_left)} left"


class Pace:
    """Counts steps and says when a line is due.

    Args:
        total: number of steps, as far as it is known; archives make it grow.
        clock: seconds since any fixed moment.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._start = clock()
        self._due = _FIRST_SECONDS
        self._done = 0

    def step(self) -> Progress | None:
        """Counts a step that is done; returns the progress if a line is due."""
        self._done += 1
        elapsed = self._clock() - self._start
        if elapsed < self._due:
            return None
        self._due = elapsed + max(_FIRST_SECONDS, _SHARE * elapsed)
        rate = self._done / elapsed
        total = max(self._total, self._done)
        return Progress(self._done, total, rate, (total - self._done) / rate)


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `50 s`, `22 min`, `3 h 5 min`, `2 d 4 h`."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 90:
        return f"{round(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"
