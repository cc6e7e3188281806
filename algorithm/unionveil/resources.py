"""How many cores and how much memory this process may use, a container's limits included."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["default_jobs", "memory_limit_bytes", "usable_cores"]

_CGROUP = Path("/sys/fs/cgroup")

_WORKER_BYTES = 400 << 20
"""A worker with its models and a picture of some 20 megapixels; measured in tests/benchmarks."""


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Cores that this process may run on, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # cgroup v2: "max 100000" or "150000 100000", microseconds a period.
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period):
        cores = min(cores, max(1, int(quota) // int(period)))
    return max(1, cores)


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
    """Workers to start when nobody says how many: one a core, as far as memory goes."""
    memory = memory_limit_bytes()
    return max(1, min(usable_cores(), memory // _WORKER_BYTES if memory else 1))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
