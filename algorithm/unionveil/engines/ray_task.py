"""The part of the Ray engine that runs on a node."""

from __future__ import annotations

import pickle
from typing import Any

from .. import __version__
from ..errors import ClusterError, UnionVeilError
from .pool import Pool

__all__ = ["run_task"]

_pools: dict[str, Pool[Any, Any]] = {}
"""Pools of this process by the digest of their work, so that models stay loaded between tasks."""


def run_task(work: bytes, key: str, task: Any, timeout_seconds: float, version: str) -> Any:
    """Does a task in a separate process, which the picture may crash.

    Args:
        work: pickled.
        key: its digest.
        task: a task of the work.
        timeout_seconds: time limit.
        version: of the program that sends the task.

    Returns:
        The work's result, `Rejected`, or an error for the sender to raise.
    """
    if version != __version__:
        return ClusterError(
            f"a node of the cluster has unionveil {__version__}, this machine {version}; install the same "
            "version there"
        )
    try:
        return _pool(work, key, timeout_seconds).submit(task).result()
    except UnionVeilError as error:
        return error


def _pool(work: bytes, key: str, timeout_seconds: float) -> Pool[Any, Any]:
    if key not in _pools:
        for old in _pools.values():
            old.__exit__()
        _pools.clear()
        pool: Pool[Any, Any] = Pool(pickle.loads(work), 1, timeout_seconds, threads_each=1)  # noqa: S301  ours
        _pools[key] = pool.__enter__()
    return _pools[key]
