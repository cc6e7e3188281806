"""The priority of encoders' threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["ordinary_priority"]


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Takes real-time priority from threads that get it inside, the caller's included.

    Where it runs as root, SVT-AV1 gives it to its own threads and to the one that opens it. They would stop
    everything else on the machine, and so would every process that they start.
    """
    if sys.platform != "linux" or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield
        return
    try:
        yield
    finally:
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # it has ended
                if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                    os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))
