"""How the process of a worker starts: forked from a small parent, or from nothing."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from .child import serve

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, SpawnContext  # Windows has no fork

__all__ = ["Started", "fork_early", "spawn"]

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"

_STARTING = threading.Lock()
"""Held while a process starts: the environment belongs to all threads."""


@dataclass(frozen=True)
class Started:
    """A process that waits for its work, and this end of the pipe to it.

    As only the process holds the other end, its death shows as the end of the pipe.
    """

    process: BaseProcess
    connection: Connection

    def stop(self) -> None:
        """Terminates the process, even in the middle of a task."""
        self.process.kill()
        self.process.join()
        with suppress(OSError):
            self.connection.close()


def spawn(threads: int) -> Started:
    """Starts a process from nothing, which is safe at any time.

    Args:
        threads: threads for one task.
    """
    if hasattr(signal, "pthread_sigmask"):
        from multiprocessing import resource_tracker  # not on Windows

        resource_tracker.ensure_running()  # the first start of one ends by unblocking the signal
    with _one_blas_thread():
        return _start(multiprocessing.get_context("spawn"), serve, threads)


def fork_early(count: int, threads: int) -> list[Started]:
    """Forks processes from this one while it has a single thread, and has loaded no model and no codec.

    They have its modules, whose imports were a third of the processor time of a run over one photo
    (`docs/performance.md`).

    Args:
        count: number of processes.
        threads: threads for one task.

    Returns:
        The processes; none where forking is not safe, and fewer where the system refuses more.
    """
    started: list[Started] = []
    with suppress(OSError):  # one more is then spawned, which names the reason if that fails too
        while len(started) < count and _has_one_thread():
            started.append(_start(multiprocessing.get_context("fork"), _serve_forked, threads))
    return started


def _has_one_thread() -> bool:
    """Whether forking is safe: of several threads only one survives, and the locks of the others stay locked.

    Threads of libraries count: ONNX Runtime, OpenCV, OpenBLAS and clients of stores start some. macOS's own
    frameworks do not survive a fork at all.
    """
    return sys.platform == "linux" and len(list(Path("/proc/self/task").iterdir())) == 1


def _start(
    context: SpawnContext | ForkContext, target: Callable[[int, Connection], None], threads: int
) -> Started:
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(threads, theirs), daemon=True)
    with _interrupts_blocked():
        process.start()
    theirs.close()
    return Started(process, ours)


def _serve_forked(threads: int, connection: Connection) -> None:
    """As `serve`, without what a spawned process does not have: open files and handlers of signals."""
    # Collected as garbage, a file of the parent would close its number, which is another file by then.
    gc.freeze()
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    _close_files(kept={0, 1, 2, connection.fileno(), parent.sentinel if parent else 0})
    serve(threads, connection)


def _close_files(kept: Collection[int]) -> None:
    """Closes all files but some; locks on them are then the parent's alone."""
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if number not in kept:
            with suppress(OSError):  # the listing itself
                os.close(number)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Processes started meanwhile compute with numpy on one thread, unless the environment says otherwise.

    OpenBLAS starts a thread for each core when it is loaded. On two cores that took a fifth of the processor
    time before a run's first photo, and a worker has nothing for them to do.
    """
    with _STARTING:
        before = os.environ.get(_BLAS_THREADS)
        os.environ.setdefault(_BLAS_THREADS, "1")
        try:
            yield
        finally:
            if before is None:
                del os.environ[_BLAS_THREADS]


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes started meanwhile ignore Ctrl-C, which their parent handles: they inherit the mask."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
