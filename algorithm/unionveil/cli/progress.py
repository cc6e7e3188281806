"""A bar for commands that take time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["progress"]

_err = Console(stderr=True, highlight=False)


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing elsewhere; archives make the total grow.

    Args:
        label: what is being done.
        total: number of steps, as far as it is known.

    Yields:
        To be called after each step.
    """
    if not _err.is_terminal:
        yield lambda: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, transient=True) as bar:
        task = bar.add_task(label, total=total)

        def advance() -> None:
            done = bar.tasks[0].completed + 1
            bar.update(task, completed=done, total=max(total, done))

        yield advance
