"""An engine of worker processes, each of which does one task at a time.

The standard library's process pool is not used: it breaks as a whole when one worker dies, has no time limit
for a task, and before Python 3.12 it hangs if a worker dies while a large task is on its way to it.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic

from ..outcomes import Rejected
from .base import In, Key, Out, Step, Task, Work
from .ordered import in_order
from .processes import Started, fork_early, spawn
from .resources import archive_bytes, member_bytes, picture_bytes, usable_cores
from .worker import Gone, Worker

__all__ = ["DEFAULT_TIMEOUT_SECONDS", "Pool", "PoolEngine", "pool_in_order"]

DEFAULT_TIMEOUT_SECONDS = 300.0
"""Time for one task: a picture of 200 megapixels at the finest detail takes a fifth of it on one core."""

_START_SECONDS = 300.0
"""Time for a worker to load its models, on a busy machine."""

_WAITING_BYTES = 256 << 20
"""Memory of all tasks that wait for a worker or for their turn; a larger task waits alone."""

_CRASHED = Rejected("crashed", "reading the picture stopped the program: out of memory, or a damaged file")


class Pool(Generic[In, Out]):
    """Workers that wait for tasks; use with `with`.

    A task whose worker dies is retried once while no other is running, since another task may have used up
    the memory. It is rejected if the worker dies again.

    Args:
        work: what to do.
        jobs: number of workers.
        timeout_seconds: time limit for each task, counted from its last progress report, if it sends any.
        budget_bytes: memory for all running tasks together; a task that needs more is rejected.
        reserved_bytes: the part of it, at most half, that only a task running alone may use.
        threads_each: threads for one task; by default the cores, shared among the workers.
        on_step: called with a task and its progress, from any thread.

    Attributes:
        shared_bytes: the rest of it, which several tasks may share.
    """

    def __init__(
        self,
        work: Work[In, Out],
        jobs: int,
        timeout_seconds: float,
        budget_bytes: float = math.inf,
        reserved_bytes: float = 0,
        threads_each: int | None = None,
        on_step: Callable[[In, Step], None] = lambda *_: None,
    ) -> None:
        self._work = work
        self._budget_bytes = budget_bytes
        self.shared_bytes = budget_bytes - min(reserved_bytes, budget_bytes / 2)
        self._timeout_seconds = timeout_seconds
        self._on_step = on_step
        self._threads_each = threads_each or max(1, usable_cores() // jobs)
        self._tasks: queue.SimpleQueue[tuple[In, Future[Out | Rejected]] | None] = queue.SimpleQueue()
        self._turn = _Turn(self.shared_bytes)
        self._closed = threading.Event()
        self._waiting: dict[int, Started] = {}
        self._workers: dict[int, Worker] = {}
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(jobs)]

    def __enter__(self) -> Pool[In, Out]:
        self._work.check()  # fails here, once, rather than in every worker
        # Before the threads start: afterwards, processes can only be spawned.
        self._waiting = dict(enumerate(fork_early(len(self._threads), self._threads_each)))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Terminates all workers, even in the middle of a task."""
        self._closed.set()
        for _thread in self._threads:
            self._tasks.put(None)
        for worker in list(self._workers.values()):
            worker.kill()
        for thread in self._threads:
            thread.join()
        for started in self._waiting.values():
            started.stop()

    def submit(self, task: In) -> Future[Out | Rejected]:
        """Gives a task to the next free worker.

        Returns:
            The future result. It raises `UnionVeilError` if the work raises one or no worker can start.
        """
        future: Future[Out | Rejected] = Future()
        self._tasks.put((task, future))
        return future

    def _run(self, number: int) -> None:
        """One worker's thread: keeps its process alive and gives it tasks."""
        while (item := self._tasks.get()) is not None and not self._closed.is_set():
            task, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._result(number, task))
            except Exception as error:
                # Also a bug in this program: the caller must see it rather than wait forever.
                future.set_exception(error)
        worker = self._workers.pop(number, None)
        if worker:
            worker.stop()

    def _result(self, number: int, task: In) -> Out | Rejected:
        if task.needed_bytes > self._budget_bytes:
            return _too_large(task.needed_bytes, self._budget_bytes)
        with self._turn.shared(task.needed_bytes):
            result = self._try(number, task)
        if result is Gone.DIED and not self._closed.is_set():
            with self._turn.alone():
                result = self._try(number, task)
        if result is Gone.DIED:
            return _CRASHED
        if result is Gone.TOO_SLOW:
            limit = f"{self._timeout_seconds:g} seconds"
            return Rejected("timeout", f"the picture took longer than {limit}; a longer --timeout may help")
        done: Out | Rejected = result
        return done

    def _try(self, number: int, task: In) -> Any:
        worker = self._workers.get(number)
        if worker is None:
            started = self._waiting.pop(number, None) or spawn(self._threads_each)
            worker = Worker(started, self._work, _START_SECONDS)
            self._workers[number] = worker
            if self._closed.is_set():
                worker.kill()
        result = worker.do(task, self._timeout_seconds, partial(self._on_step, task))
        if isinstance(result, Gone):
            self._workers.pop(number).stop()
        return result


def _too_large(needed: int, budget: float) -> Rejected:
    return Rejected(
        "too-large",
        f"the picture would need {needed / (1 << 30):.2g} GiB of memory, but there are "
        f"{budget / (1 << 30):.2g} GiB for pictures here; start fewer workers with --jobs, or use a machine "
        "with more memory",
    )


class _Turn:
    """As many tasks at a time as memory allows, or a single one that must run alone.

    Args:
        budget_bytes: memory for all running tasks together; a task that needs more runs alone.
    """

    def __init__(self, budget_bytes: float) -> None:
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._changed = threading.Condition()
        self._running = 0
        self._alone = 0

    @contextmanager
    def shared(self, needed_bytes: int) -> Iterator[None]:
        # A task that must run alone goes first, or a steady stream of others would starve it. No other task
        # waits forever: those after it are admitted only until its own result is requested.
        def may_enter() -> bool:
            fits = self._used_bytes + needed_bytes <= self._budget_bytes or self._running == 0
            return self._alone == 0 and fits

        with self._entered(may_enter, needed_bytes):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._alone += 1
        try:
            with self._entered(lambda: self._running == 0, 0):
                yield
        finally:
            with self._changed:
                self._alone -= 1
                self._changed.notify_all()

    @contextmanager
    def _entered(self, may_enter: Callable[[], bool], needed_bytes: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(may_enter)
            self._running += 1
            self._used_bytes += needed_bytes
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._used_bytes -= needed_bytes
                self._changed.notify_all()


class PoolEngine:
    """Works in separate processes, each of which loads its models once.

    Args:
        jobs: number of workers.
        timeout_seconds: time limit for each task, counted from its last progress report, if it sends any.
        budget_bytes: memory for all running tasks together; by default this machine's memory for them.
        reserved_bytes: the part of it that members of archives may use before a worker has them; by default
            the most that they can use here. Only a picture running alone may use it.
        waiting_bytes: memory of tasks that wait for a worker or for their turn, not counting the last of
            them.
        on_step: as for `Pool`.
    """

    def __init__(
        self,
        jobs: int,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        budget_bytes: float | None = None,
        reserved_bytes: float | None = None,
        waiting_bytes: int | None = None,
        on_step: Callable[[Any, Step], None] = lambda *_: None,
    ) -> None:
        self._jobs = jobs
        self._budget_bytes = budget_bytes if budget_bytes is not None else picture_bytes(jobs)
        self._reserved_bytes = archive_bytes() if reserved_bytes is None else reserved_bytes
        self._timeout_seconds = timeout_seconds
        self._waiting_bytes = waiting_bytes
        self._on_step = on_step

    def map(
        self, work: Work[In, Out], tasks: Iterable[tuple[Key, In]]
    ) -> Iterator[tuple[Key, Out | Rejected]]:
        """As `Engine.map`."""
        pool = Pool(
            work,
            self._jobs,
            self._timeout_seconds,
            self._budget_bytes,
            self._reserved_bytes,
            on_step=self._on_step,
        )
        with pool:
            yield from pool_in_order(pool, self._jobs, tasks, self._waiting_bytes)


def pool_in_order(
    pool: Pool[In, Out], jobs: int, tasks: Iterable[tuple[Key, In]], waiting_bytes: int | None = None
) -> Iterator[tuple[Key, Out | Rejected]]:
    """As `in_order`, by a pool.

    Args:
        pool: already entered.
        jobs: number of its workers.
        tasks: keys, which are passed through, and tasks.
        waiting_bytes: memory of tasks that wait for a worker or for their turn, not counting the last of
            them; by default the most that members of archives may use here.

    Raises:
        UnionVeilError: the work raised it, or no worker can start.
    """
    most = waiting_bytes or min(_WAITING_BYTES, member_bytes())
    return in_order(pool.submit, jobs, tasks, lambda waiting: _has_room(pool, waiting, most))


def _has_room(pool: Pool[Any, Any], waiting: Collection[Task], most_bytes: int) -> bool:
    """Whether one more task may be taken from its source.

    The task may be a large member of an archive, so none is taken after a task that needs the memory reserved
    for those.
    """
    alone = any(task.needed_bytes > pool.shared_bytes for task in waiting)
    return not alone and sum(task.held_bytes for task in waiting) < most_bytes
