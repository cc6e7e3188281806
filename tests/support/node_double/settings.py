"""Settings of a node that a test may change: its operator's configuration, and injected faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from .runner import ProcessRunner, Runner, outputs_tar
from .wire import Json, Received

_Holder = TypeVar("_Holder", "Settings", "Hooks")


@dataclass
class Settings:
    """The operator's configuration.

    Attributes:
        fee_wei: provider fee for an asset, in OCEAN's smallest unit.
        price: of one cpu for one minute in whole OCEAN; None offers no paid jobs.
        offers_free: whether free jobs are offered.
        access: accounts that paid jobs run for.
        free_access: the same for free jobs; None leaves the field out.
        enables_network: whether containers reach the network.
        features: kinds of work that the environment accepts; None is a node before version 4.
        stored: files of the node's own storage, as "BUCKET/FILE"; the buckets admit every account.
        gateway: of IPFS and Arweave; None if it is not configured.
        rate_limit: requests per minute; None allows any number, so that tests are quick.
    """

    fee_wei: int = 0
    price: float | None = 0.5
    offers_free: bool = True
    access: Json = field(default_factory=lambda: {"addresses": [], "accessLists": None})
    free_access: Json | None = field(default_factory=lambda: {"addresses": [], "accessLists": []})
    enables_network: bool = False
    features: dict[str, bool] | None = None
    stored: dict[str, bytes] = field(default_factory=dict)
    gateway: str | None = None
    rate_limit: int | None = None


@dataclass
class Hooks:
    """Interception points for tests.

    Attributes:
        runner: runs the algorithm.
        pack: makes the archive of a job's outputs.
        clock: seconds, for the rate limit.
        fault: answers instead of the node, or raises; None lets the node answer.
        change: changes the value of an answer before it is sent.
        after: called when the node has finished its work, before the answer is sent.
        before_fetch: called with a job's file before the node downloads it.
        change_fee: changes a provider fee after it was signed.
        forgets_orders: whether the node finds every order invalid.
        forgets_fees: whether the node finds the provider fee of every order expired.
    """

    runner: Runner = field(default_factory=ProcessRunner)
    pack: Callable[[Path], bytes] = outputs_tar
    clock: Callable[[], float] = time.monotonic
    fault: Callable[[Received], bytes | None] = lambda _: None
    change: Callable[[Received, Any], Any] = lambda _, value: value
    after: Callable[[Received], None] = lambda _: None
    before_fetch: Callable[[Json], None] = lambda _: None
    change_fee: Callable[[Json], Json] = lambda fee: fee
    forgets_orders: bool = False
    forgets_fees: bool = False


def copy_into(target: _Holder, source: _Holder) -> None:
    """Copies every field of the source to the target."""
    for one in fields(source):
        setattr(target, one.name, getattr(source, one.name))
