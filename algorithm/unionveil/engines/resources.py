"""How many cores, threads and bytes of memory this process may use, a container's limits included."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = [
    "default_jobs",
    "jobs_within",
    "memory_limit_bytes",
    "thread_limit",
    "usable_cores",
    "visible_cores",
]

_CGROUP = Path("/sys/fs/cgroup")

_WORKER_BYTES = 400 << 20
"""A worker with its models and a picture of some 20 megapixels; measured in tests/benchmarks."""


_MORE_THREADS = 8
"""Threads of a worker beside one per core, as seen in the container: its own, that of x265, and some to
spare."""


def usable_cores(cgroup: Path = _CGROUP, visible: int | None = None) -> int:
    """Cores that this process may run on, at least 1.

    Args:
        cgroup: where the kernel shows the limits of a container.
        visible: cores that a library sees; by default those of this process.
    """
    cores = visible or visible_cores()
    # cgroup v2: "max 100000" or "150000 100000", microseconds a period; v1 has a file for each.
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    if not quota:
        quota, period = (_text(cgroup / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota.isdigit() and period.isdigit() and int(period):
        cores = min(cores, max(1, int(quota) // int(period)))
    return max(1, cores)


def thread_limit(cgroup: Path = _CGROUP) -> int | None:
    """Threads that this process and its workers may have together, or None if there is no limit."""
    for name in ("pids.max", "pids/pids.max"):  # cgroup v2, v1
        text = _text(cgroup / name)
        if text.isdigit():
            return int(text)
    return None


def memory_limit_bytes(cgroup: Path = _CGROUP) -> int | None:
    """Memory that this process may use, or None if that cannot be found out."""
    limits = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroup v2, v1
        text = _text(cgroup / name)
        if text.isdigit():
            limits.append(int(text))
    return min(limits, default=None)


def default_jobs() -> int:
    """Default number of workers: one per core, limited by memory and threads."""
    return jobs_within(
        cores=usable_cores(),
        visible=visible_cores(),
        memory_bytes=memory_limit_bytes(),
        threads=thread_limit(),
    )


def jobs_within(*, cores: int, visible: int, memory_bytes: int | None, threads: int | None) -> int:
    """Workers that a machine has room for, at least 1.

    Encoders of AVIF start a thread for every core that they see, in every worker, and one that gets
    none waits for ever.

    Args:
        cores: that may be used.
        visible: cores that a library sees.
        memory_bytes: that may be used; None if unknown.
        threads: that all processes may have together; None if there is no limit.
    """
    jobs = min(cores, memory_bytes // _WORKER_BYTES if memory_bytes else 1)
    if threads is not None:
        each = visible + _MORE_THREADS
        jobs = min(jobs, (threads - each) // each)  # the first process counts as a worker
    return max(1, jobs)


def visible_cores() -> int:
    """Cores that a library sees: a quota does not hide them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
