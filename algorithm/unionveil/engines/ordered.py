"""Returns results in the order of their tasks, in whatever order the tasks finish."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future

from ..outcomes import Rejected
from .base import In, Key, Out

__all__ = ["in_order"]

_UNDER_WAY = 2
"""Tasks per worker that are running or waiting for it: the current one and the next."""

_AHEAD = 16
"""Tasks per worker that are taken but not returned yet: those after a slow one are done meanwhile."""


def in_order(
    submit: Callable[[In], Future[Out | Rejected]],
    workers: int,
    tasks: Iterable[tuple[Key, In]],
    has_room: Callable[[Collection[In]], bool] = lambda _: True,
) -> Iterator[tuple[Key, Out | Rejected]]:
    """The results of all tasks, in their order; tasks are taken only as needed.

    Args:
        submit: starts a task.
        workers: number of tasks that are done at a time.
        tasks: keys, which are passed through, and tasks.
        has_room: whether one more task may be taken, given those taken and not returned yet.

    Raises:
        UnionVeilError: a task raised it.
    """
    source, is_open, under_way = iter(tasks), True, 0
    window: deque[tuple[Key, In, Future[Out | Rejected]]] = deque()
    changed = threading.Condition()

    def end(_: Future[Out | Rejected]) -> None:
        nonlocal under_way
        with changed:
            under_way -= 1
            changed.notify()

    def may_take() -> bool:
        is_free = under_way < _UNDER_WAY * workers and len(window) < _AHEAD * workers
        return is_open and is_free and has_room([task for _, task, _ in window])

    while is_open or window:
        while may_take():
            item = next(source, None)
            if item is None:
                is_open = False
                break
            with changed:
                under_way += 1
            window.append((*item, submit(item[1])))
            window[-1][2].add_done_callback(end)
        if window:
            with changed:
                changed.wait_for(lambda: window[0][2].done() or may_take())
            if window[0][2].done():
                key, _, future = window.popleft()
                yield key, future.result()
