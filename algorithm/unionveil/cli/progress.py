"""A bar for commands that take time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..engines.base import Step

__all__ = ["Bar", "progress", "progress_of_long"]

_err = Console(stderr=True, highlight=False)


@dataclass
class Bar:
    """A bar on a terminal, and one below it for every long task under way; nothing elsewhere.

    Attributes:
        bars: rich's bars; None where there is no terminal.
        total: number of steps, as far as it is known.
    """

    bars: Progress | None
    total: int
    _whole: TaskID | None = None
    _long: dict[int, TaskID] = field(default_factory=dict)

    def begin(self, label: str) -> None:
        """Shows the bar of the whole."""
        if self.bars:
            self._whole = self.bars.add_task(label, total=self.total)

    def advance(self) -> None:
        """Counts a step."""
        if self.bars and self._whole is not None:
            done = self.bars.tasks[0].completed + 1
            self.bars.update(self._whole, completed=done, total=max(self.total, done))

    def step(self, number: int, step: Step) -> None:
        """Shows how far a long task is, by seconds of the video; from any thread."""
        if self.bars is None:
            return
        label, total = f"video {number}: {step.what}, s", step.total or None
        if number not in self._long:
            self._long[number] = self.bars.add_task(label, total=total)
        bar = self._long[number]
        known = next(task for task in self.bars.tasks if task.id == bar)
        if known.description != label:
            self.bars.reset(bar, description=label, total=total)
        self.bars.update(bar, completed=round(step.done))

    def end(self, number: int) -> None:
        """Takes the bar of a long task away."""
        bar = self._long.pop(number, None)
        if self.bars and bar is not None:
            self.bars.remove_task(bar)


@contextmanager
def progress_of_long(label: str, total: int) -> Iterator[Bar]:
    """A bar for tasks some of which are long.

    Args:
        label: what is being done.
        total: number of steps, as far as it is known; archives make it grow.
    """
    if not _err.is_terminal:
        yield Bar(None, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, transient=True) as bars:
        bar = Bar(bars, total)
        bar.begin(label)
        yield bar


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """As `progress_of_long`, for short steps.

    Yields:
        To be called after each step.
    """
    with progress_of_long(label, total) as bar:
        yield bar.advance
