"""The engine for a cluster: Ray carries tasks to its nodes (extra `ray`).

A task contains the place of its picture, not the picture. On the node, our own pool does it in a separate
process, which a picture may crash. Ray retries nothing itself: it would restart such a picture without end.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

from .. import __version__
from ..errors import ClusterError, MissingExtra, UnionVeilError
from ..outcomes import Rejected
from .base import In, Key, Out, Work
from .ordered import in_order
from .pool import DEFAULT_TIMEOUT_SECONDS
from .ray_task import run_task

__all__ = ["RayEngine"]

_ATTEMPTS = 5
"""Number of attempts at a task whose node or process is lost."""

_CONNECT_SECONDS = 10.0

_LOST = Rejected(
    "crashed", f"the machine that worked on the picture was lost {_ATTEMPTS} times, perhaps out of memory"
)


class RayEngine:
    """Works on the nodes of a Ray cluster.

    Inputs and outputs must be reachable from all nodes: in an object store, or on a drive that they share.

    Args:
        address: of the cluster, as Ray takes it (`ray://HOST:10001`, `auto`); None takes `RAY_ADDRESS`, or
            starts a cluster of this machine alone.
        timeout_seconds: time limit for each task.
    """

    def __init__(self, address: str | None, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds

    def map(
        self, work: Work[In, Out], tasks: Iterable[tuple[Key, In]]
    ) -> Iterator[tuple[Key, Out | Rejected]]:
        """As `Engine.map`."""
        work.check()
        cluster = _Cluster(self._address, work, self._timeout_seconds)
        try:
            yield from in_order(cluster.submit, cluster.processors, tasks)
        finally:
            cluster.close()


class _Cluster:
    """A connection, and the work in the form that is sent to all nodes."""

    def __init__(self, address: str | None, work: Work[Any, Any], timeout_seconds: float) -> None:
        self._ray, self._is_ours = _connected(address)
        data = pickle.dumps(work)
        self._key = hashlib.sha256(data).hexdigest()
        self._work = self._ray.put(data)
        self._timeout_seconds = timeout_seconds
        self._do = self._ray.remote(run_task)
        self._is_closed = threading.Event()
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        self._most_bytes = max((node.get("memory", 0) for node in nodes), default=0)
        self.processors = max(1, int(sum(node.get("CPU", 0) for node in nodes)))

    def submit(self, task: Any) -> Future[Any]:
        """Gives a task to a node that has a processor and the memory for it."""
        future: Future[Any] = Future()
        if task.needed_bytes > self._most_bytes:
            future.set_result(
                Rejected(
                    "too-large",
                    f"the picture would need {task.needed_bytes / (1 << 30):.2g} GiB of memory, and no "
                    f"node of the cluster has more than {self._most_bytes / (1 << 30):.2g} GiB",
                )
            )
        else:
            self._try(task, future, 1)
        return future

    def _try(self, task: Any, future: Future[Any], attempt: int) -> None:
        options = {"num_cpus": 1, "memory": task.needed_bytes, "max_retries": 0}
        reference = self._do.options(**options).remote(
            self._work, self._key, task, self._timeout_seconds, __version__
        )

        def ended(done: Future[Any]) -> None:
            error = done.exception()
            if error is None:
                _settle(future, done.result())
            elif isinstance(error, self._ray.exceptions.RayTaskError) or self._is_closed.is_set():
                cause = type(getattr(error, "cause", error)).__name__
                what = f"a node of the cluster cannot do the work ({cause})"
                future.set_exception(ClusterError(f"{what}: install the same unionveil there"))
            elif attempt < _ATTEMPTS:
                self._try(task, future, attempt + 1)
            else:
                future.set_result(_LOST)

        reference.future().add_done_callback(ended)

    def close(self) -> None:
        self._is_closed.set()
        if self._is_ours:
            self._ray.shutdown()


def _settle(future: Future[Any], answer: Any) -> None:
    if isinstance(answer, UnionVeilError):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _connected(address: str | None) -> tuple[Any, bool]:
    """Ray, connected, and whether this call connected it."""
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or a local cluster reports to its makers
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtra("--cluster ray", "ray", "ray") from error
    if ray.is_initialized():
        return ray, False
    where = address or os.environ.get("RAY_ADDRESS")
    try:
        _reach(where)
        ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"the Ray cluster {where or 'of this machine'} cannot be reached ({type(error).__name__}): check "
            "--engine-address and RAY_ADDRESS, and that it runs the same versions of Ray and Python"
        ) from error
    return ray, True


def _reach(address: str | None) -> None:
    """Checks a cluster's address first, because Ray ends the whole process if nothing answers there.

    Raises:
        OSError: nothing answers.
        ValueError: not an address.
    """
    if address in (None, "auto", "local"):
        return
    parts = urlsplit(address if "://" in str(address) else f"ray://{address}")
    socket.create_connection((parts.hostname or "", parts.port or 10001), _CONNECT_SECONDS).close()
