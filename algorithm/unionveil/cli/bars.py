"""Progress of long tasks: a bar for each on a terminal, elsewhere lines with the remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..engines.base import Step
from ..pace import duration
from ..runs.work import Task

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["LongBars", "Say", "bars_below", "lines_of"]

Show = Callable[[int, "Step | None"], None]
"""Takes an input's number and its progress; None when it is done."""

Say = Callable[[str, dict[str, object]], None]
"""Takes a line of text, and the same facts for programs."""

_LINE_SECONDS = 10.0
_SHARE = 0.1
"""The next line about a video is due after ten seconds or, in a long video, after this share of its time."""


class LongBars:
    """Passes the progress of long tasks to the display, while there is one; may be called from any thread."""

    def __init__(self) -> None:
        self._show: Show | None = None

    def __call__(self, task: Task, step: Step) -> None:
        """Shows a task's progress."""
        if self._show:
            self._show(task.number, step)

    def end(self, number: int) -> None:
        """Ends a task's bar or lines."""
        if self._show:
            self._show(number, None)

    @contextmanager
    def shown(self, show: Show) -> Iterator[None]:
        """Shows progress by `show` while the block runs."""
        self._show = show
        try:
            yield
        finally:
            self._show = None


def bars_below(bars: Bar) -> Show:
    """A bar for each long task, below the bar of the run."""
    known: dict[int, tuple[str, TaskID]] = {}

    def show(number: int, step: Step | None) -> None:
        what, bar = known.get(number, ("", None))
        if bar is not None and (step is None or step.what != what):
            bars.remove_task(bar)
            del known[number]
        if step is None:
            return
        if number not in known:
            label = f"video {number}: {step.what} (seconds)"
            known[number] = step.what, bars.add_task(label, total=round(step.total) or None)
        bars.update(known[number][1], completed=round(step.done))

    return show


@dataclass
class _Long:
    """A long task in progress.

    Attributes:
        what: the current step.
        start: when the step began, by the clock.
        due: when the next line is due, in seconds after the start.
    """

    what: str
    start: float
    due: float = _LINE_SECONDS


@dataclass
class _Lines:
    say: Say
    clock: Callable[[], float]
    known: dict[int, _Long] = field(default_factory=dict)

    def __call__(self, number: int, step: Step | None) -> None:
        if step is None:
            self.known.pop(number, None)
            return
        long = self.known.get(number)
        if long is None or long.what != step.what:
            long = self.known[number] = _Long(step.what, self.clock())
        elapsed = self.clock() - long.start
        if elapsed < long.due:
            return
        long.due = elapsed + max(_LINE_SECONDS, _SHARE * elapsed)
        self._line(number, step, elapsed)

    def _line(self, number: int, step: Step, elapsed: float) -> None:
        facts: dict[str, object] = {"input": number, "label": step.what, "done_seconds": round(step.done, 1)}
        line = f"video {number}: {step.what}, {step.done:.0f} s"
        if step.total and step.done:
            left = max(0.0, step.total - step.done) * elapsed / step.done
            facts |= {"total_seconds": round(step.total, 1), "seconds_left": round(left)}
            line += f" of {step.total:.0f} s, {duration(left)} left"
        self.say(line, facts)


def lines_of(say: Say, clock: Callable[[], float] = time.monotonic) -> Show:
    """Writes about each long task, seldom enough for its lines to be read."""
    return _Lines(say, clock)
