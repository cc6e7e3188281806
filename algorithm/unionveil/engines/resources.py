"""The cores, threads and memory that this process may use, within the limits of a container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

__all__ = [
    "IDLE_WORKER_BYTES",
    "archive_bytes",
    "default_jobs",
    "jobs_within",
    "member_bytes",
    "memory_limit_bytes",
    "picture_bytes",
    "thread_limit",
    "usable_cores",
    "visible_cores",
]

_CGROUP, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")

_WORKER_BYTES = 600 << 20
"""Memory of a worker with its models and its share of pictures: a JPEG of 40 megapixels, or a larger one
while the other workers have small ones."""

IDLE_WORKER_BYTES = 256 << 20
"""Memory of a worker with its models and no picture; measured in tests/benchmarks."""

_LEAST_PICTURE_BYTES = 192 << 20
"""Memory for pictures even on the smallest machine: a JPEG of 25 megapixels."""

_FIRST_PROCESS_BYTES = 160 << 20
"""Memory of the main process, with its list of 50,000 files."""

_MOST_MEMBER_BYTES, _LEAST_MEMBER_BYTES = 1 << 30, 16 << 20
_MEMBERS_SHARE = 32
"""A member of an archive is held by the main process: at most a 32nd of the memory, 64 MiB on a machine with
2 GiB."""

_HELD_MEMBERS = 6
"""Number of members held at the same time: two that wait for their turn, each with a second copy while it is
sent, one that is being read, and the enclosing archive."""

_USABLE_SHARE = 0.85
"""Usable share of the memory; the rest is for the system, its caches and estimation errors."""

_MORE_THREADS = 8
"""Threads of a worker in addition to one per core, as seen in the container: its own, those of x265, and some
spare ones."""


def usable_cores(cgroup: Path = _CGROUP, visible: int | None = None, own: Path = _OWN) -> int:
    """Cores that this process may run on, at least 1.

    Args:
        cgroup: where the kernel lists the limits of a container.
        visible: number of cores that a library sees; by default those of this process.
        own: where it lists the groups of this process.
    """
    cores = visible or visible_cores()
    for folder in _groups(cgroup, own, "cpu"):
        # cgroup v2: "max 100000" or "150000 100000", in microseconds per period; v1 has a file for each.
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = (_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit() and int(period):
            cores = min(cores, max(1, int(quota) // int(period)))
    return max(1, cores)


def thread_limit(cgroup: Path = _CGROUP, own: Path = _OWN) -> int | None:
    """Number of threads that this process and its workers may have together, or None if there is no limit.

    Args:
        cgroup: as for `usable_cores`.
        own: as for `usable_cores`.
    """
    return min(_numbers(_groups(cgroup, own, "pids"), "pids.max"), default=None)


def memory_limit_bytes(cgroup: Path = _CGROUP, own: Path = _OWN) -> int | None:
    """Memory that this process may use, or None if unknown.

    Args:
        cgroup: as for `usable_cores`.
        own: as for `usable_cores`.
    """
    limits = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    groups = list(_groups(cgroup, own, "memory"))
    for name in ("memory.max", "memory.limit_in_bytes"):  # cgroup v2, v1
        limits += _numbers(groups, name)
    return min(limits, default=None)


def _groups(cgroup: Path, own: Path, controller: str) -> Iterator[Path]:
    """Folders of all groups whose limits apply to this process (cgroups(7), /proc/[pid]/cgroup).

    These are the container's, which is mounted as the root, and those made by systemd or a job scheduler.
    """
    yield cgroup
    yield cgroup / controller
    for line in _text(own).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        parts = PurePosixPath(path).parts[1:]
        if ".." in parts or not (number == "0" or controller in controllers.split(",")):
            continue
        root = cgroup if number == "0" else cgroup / controller
        yield from (root.joinpath(*parts[: depth + 1]) for depth in range(len(parts)))


def _numbers(folders: Iterable[Path], name: str) -> list[int]:
    texts = (_text(folder / name) for folder in folders)
    return [int(text) for text in texts if text.isdigit()]


def default_jobs() -> int:
    """Default number of workers: one per core, limited by memory and threads."""
    return jobs_within(
        cores=usable_cores(),
        visible=visible_cores(),
        memory_bytes=memory_limit_bytes(),
        threads=thread_limit(),
    )


def picture_bytes(jobs: int, memory_bytes: int | None = None) -> float:
    """Memory for all running pictures together; infinite if unknown.

    Args:
        jobs: number of workers.
        memory_bytes: usable memory; by default `memory_limit_bytes()`.
    """
    memory = memory_bytes if memory_bytes is not None else memory_limit_bytes()
    if memory is None:
        return math.inf
    free = _USABLE_SHARE * memory - _FIRST_PROCESS_BYTES - jobs * IDLE_WORKER_BYTES
    return max(float(_LEAST_PICTURE_BYTES), free)


def member_bytes(memory_bytes: int | None = None) -> int:
    """The largest member of an archive to read, and the total size of members that wait for a worker.

    Args:
        memory_bytes: usable memory; by default `memory_limit_bytes()`.
    """
    memory = memory_bytes if memory_bytes is not None else memory_limit_bytes()
    if memory is None:
        return _MOST_MEMBER_BYTES
    return min(_MOST_MEMBER_BYTES, max(_LEAST_MEMBER_BYTES, memory // _MEMBERS_SHARE))


def archive_bytes(memory_bytes: int | None = None) -> int:
    """The most memory that members of archives use before a worker has them.

    Args:
        memory_bytes: usable memory; by default `memory_limit_bytes()`.
    """
    return _HELD_MEMBERS * member_bytes(memory_bytes)


def jobs_within(*, cores: int, visible: int, memory_bytes: int | None, threads: int | None) -> int:
    """Number of workers for a machine, at least 1.

    Every worker's AVIF encoder starts a thread for every core that it sees, and waits forever if it cannot
    start one.

    Args:
        cores: usable cores.
        visible: number of cores that a library sees.
        memory_bytes: usable memory; None if unknown.
        threads: number of threads for all processes together; None if there is no limit.
    """
    jobs = min(cores, memory_bytes // _WORKER_BYTES if memory_bytes else 1)
    if threads is not None:
        each = visible + _MORE_THREADS
        jobs = min(jobs, (threads - each) // each)  # the first process counts as a worker
    return max(1, jobs)


def visible_cores() -> int:
    """Number of cores that a library sees: a quota does not hide them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
