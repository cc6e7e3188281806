"""Options for a cluster that does the work instead of this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from ..engines.base import Engine
from ..engines.ray import RayEngine

__all__ = ["Cluster", "cluster_options"]


@dataclass(frozen=True)
class Cluster:
    """The cluster that the options name.

    Attributes:
        address: its address; None means that of `RAY_ADDRESS`, or a cluster of this machine alone.
    """

    address: str | None

    def engine(self, timeout_seconds: float) -> Engine:
        """The engine that works on the cluster.

        Args:
            timeout_seconds: time limit for each picture.
        """
        return RayEngine(self.address, timeout_seconds)


def cluster_options(command: Callable[..., int]) -> Callable[..., int]:
    """`--cluster` and `--engine-address`; the command receives them as `cluster`."""

    @wraps(command)
    def with_cluster(*, cluster: str | None, engine_address: str | None, **rest: Any) -> int:
        if engine_address and not cluster:
            raise click.UsageError("--engine-address needs --cluster ray")
        if cluster and rest.get("jobs"):
            raise click.UsageError("--jobs counts workers of this machine; leave it out with --cluster")
        return command(cluster=Cluster(engine_address) if cluster else None, **rest)

    kind = click.option(
        "--cluster",
        type=click.Choice(["ray"]),
        help="Let the nodes of a cluster do the work (extra ray); they must reach inputs and outputs.",
    )
    address = click.option(
        "--engine-address",
        metavar="ADDRESS",
        help="With --cluster: its address, such as ray://HOST:10001.  [default: RAY_ADDRESS, or a cluster of "
        "this machine alone]",
    )
    return kind(address(with_cluster))
