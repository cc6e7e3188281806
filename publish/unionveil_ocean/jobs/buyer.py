"""A compute job from the datatoken holder's side: choose, check, order, start, follow.

    plan        assets, trust, environment, prices; nothing is signed
    pay         orders and escrow, each transaction journaled before it is sent
    start       once; a job that an interrupted run started is found again by its mark
    follow      until it is over

Free compute needs neither order nor payment; the node does not check trust there, so it is checked here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from unionveil.text import printable

from ..assets.ddo import DDO, Service, parse_ddo
from ..assets.trust import check_trust
from ..chain.journal import Journal
from ..chain.tokens import check_funds
from ..errors import JobFailed, NodeError, OrderError, SettingError
from ..jsjson import JsonObject
from ..money import Amount, total
from ..node.answers import Job, indexed_state
from ..node.polling import EAGER_SECONDS, poll_pauses
from ..node.protocol import Node
from .environments import JobRequest, Placement, choose_environment
from .escrow import EscrowPlan, pay_in, plan_escrow
from .orders import OrderBook, OrderPlan, carry_out, order_step, plan_order

MARK = "unionveil"
"""Key of the job's metadata under which a run finds its own job again."""

_LOOK_AGAIN = 3


@dataclass(frozen=True)
class Assets:
    """The assets of a job.

    Attributes:
        algorithm: its DDO.
        datasets: their DDOs.
    """

    algorithm: DDO
    datasets: tuple[DDO, ...]

    @property
    def used(self) -> list[tuple[str, DDO, Service]]:
        """Role (in plans and in the journal), DDO and service of each asset, the algorithm first."""
        algorithm = ("algorithm", self.algorithm, self.algorithm.service())
        if len(self.datasets) == 1:
            return [algorithm, ("data set", self.datasets[0], self.datasets[0].job_service)]
        numbered = enumerate(self.datasets, 1)
        return [algorithm, *((f"data set {number}", ddo, ddo.job_service) for number, ddo in numbered)]


@dataclass(frozen=True)
class ComputePlan:
    """Everything that will happen, before anything is signed.

    Attributes:
        assets: algorithm and data sets.
        placement: environment and terms.
        request: of the buyer.
        orders: algorithm first; empty for free compute.
        escrow: None for free compute.
    """

    assets: Assets
    placement: Placement
    request: JobRequest
    orders: tuple[OrderPlan, ...] = ()
    escrow: EscrowPlan | None = None

    @property
    def costs(self) -> tuple[Amount, ...]:
        """Total that leaves the account, by token, without gas."""
        amounts = [amount for order in self.orders for amount in order.costs]
        return total([*amounts, *([self.escrow.deposit] if self.escrow else [])])

    @property
    def gas(self) -> int:
        """Upper bound on the gas of all transactions together; 0 without transactions."""
        return sum(order.gas for order in self.orders) + (self.escrow.gas if self.escrow else 0)

    @property
    def resources(self) -> list[JsonObject]:
        """As a node takes them."""
        return [{"id": name, "amount": amount} for name, amount in self.request.resources.items()]

    def job(self, orders: Mapping[str, str]) -> JsonObject:
        """The request's body; `algorithm.meta` must be sent, because the node does not look it up.

        Args:
            orders: transactions by DID.
        """
        algorithm, *datasets = (_reference(ddo, service, orders) for _, ddo, service in self.assets.used)
        described = self.assets.algorithm.metadata.algorithm
        assert described is not None  # noqa: S101 - find_assets has checked it
        container = described.container.model_dump(include={"entrypoint", "image", "tag", "checksum"})
        meta = {
            "language": described.language or "",
            "version": described.version or "",
            "container": container,
        }
        return {
            "environment": self.placement.environment.id,
            "datasets": datasets,
            "algorithm": {**algorithm, "meta": meta, "algocustomdata": dict(self.request.parameters)},
            "maxJobDuration": self.placement.seconds,
        }

    def payment(self, chain_id: int) -> JsonObject:
        """As a node takes it."""
        return {"chainId": chain_id, "token": self.placement.token, "resources": self.resources}


def _reference(ddo: DDO, service: Service, orders: Mapping[str, str]) -> JsonObject:
    given = {"documentId": ddo.id, "serviceId": service.id}
    return {**given, "transferTxId": orders[ddo.id]} if ddo.id in orders else given


def find_assets(node: Node, algorithm: str, datasets: Sequence[str], chain_id: int) -> Assets:
    """The assets by their DIDs, checked.

    Raises:
        SettingError: an asset is unknown to the node, on another chain, or of the wrong kind.
        InvalidDDO: a DDO breaks rules.
    """
    found = [_asset(node, did, chain_id) for did in (algorithm, *datasets)]
    if found[0].metadata.algorithm is None:
        raise SettingError(f"{algorithm} is a data set, not an algorithm")
    for ddo in found[1:]:
        if ddo.metadata.type != "dataset":
            raise SettingError(f"{ddo.id} is an algorithm, not a data set")
    if not datasets:
        raise SettingError("name at least one data set")
    return Assets(found[0], tuple(found[1:]))


def _asset(node: Node, did: str, chain_id: int) -> DDO:
    value = node.ddo(did)
    if value is None:
        raise SettingError(f"the node at {node.url} has no asset {did}")
    state = indexed_state(value)
    # ocean-node's isOrderingAllowedForAsset lets 0 (active) and 1 (end of life) through.
    if state not in (0, 1):
        raise SettingError(
            f"{did} is no longer offered (state {printable(str(state), quoted=False)} on the chain)"
        )
    if value.get("chainId") != chain_id:
        found = printable(str(value.get("chainId")), quoted=False)
        raise SettingError(f"{did} is on chain {found}, the network is chain {chain_id}")
    return parse_ddo(value)


@dataclass(frozen=True)
class Buyer:
    """Runs one job. After a failure, every method can be called again and continues.

    Attributes:
        journal: of the job, entered; its chain's account pays and signs.
        node: runs the job.
        book: orders of earlier jobs.
        report: called with a line for each event.
        pause: waits, in seconds.
    """

    journal: Journal
    node: Node
    book: OrderBook
    report: Callable[[str], None] = lambda _: None
    pause: Callable[[float], None] = time.sleep

    def plan(self, assets: Assets, request: JobRequest) -> ComputePlan:
        """Plans every step and its cost. Signs nothing.

        Args:
            assets: from `find_assets`.
            request: of the buyer.

        Raises:
            UntrustedAlgorithm: a data set does not trust the algorithm.
            SettingError: no environment fits.
            OrderError: an asset cannot be ordered or read, or the node's terms are inconsistent.
            InsufficientFunds: the account lacks a token.
            NodeError: the node refuses.
        """
        chain = self.journal.chain
        check_trust(self.node, assets.algorithm, assets.datasets)
        self._check_files(assets)
        placement = choose_environment(self.node.environments(), request, chain)
        plan = ComputePlan(assets, placement, request)
        if placement.token is None:
            return plan
        consumer = placement.environment.consumer_address
        job = {**plan.job(self._earlier_orders(assets, consumer)), "payment": plan.payment(chain.chain_id)}
        answer = self.node.initialize_compute(job, chain.address)
        said = (answer.algorithm, *answer.datasets)
        if len(said) != len(assets.used):
            raise OrderError(
                "the node speaks of another number of data sets than were named; nothing was signed"
            )
        orders = tuple(
            plan_order(self.journal, role, ddo, service, one)
            for (role, ddo, service), one in zip(assets.used, said, strict=True)
        )
        if any(order.consumer.lower() != consumer.lower() for order in orders):
            raise OrderError(
                "the node wants orders for another address than its environment's; nothing was signed"
            )
        plan = replace(plan, orders=orders, escrow=plan_escrow(chain, answer.payment, consumer))
        check_funds(chain, plan.costs)
        return plan

    def _check_files(self, assets: Assets) -> None:
        """Checks that the node can read the data sets' files; `check_trust` has read the algorithm's."""
        for role, ddo, service in assets.used[1:]:
            asked = {"did": ddo.id, "serviceId": service.id, "consumerAddress": self.journal.chain.address}
            if not self.node.can_read(asked):
                raise OrderError(
                    f"the node cannot read the files of the {role} {ddo.id}: they are empty or out of its "
                    "reach; nothing was signed; ask the publisher"
                )

    def _earlier_orders(self, assets: Assets, consumer: str) -> dict[str, str]:
        """Order transactions by DID, of this job or earlier ones."""
        known = {}
        for role, ddo, service in assets.used:
            done = self.journal.result(order_step(role)) or {}
            found = done.get("order") or self.book.find(
                self.journal.chain, service.datatoken_address, service.id, consumer
            )
            if found:
                known[ddo.id] = str(found)
        return known

    def pay(self, plan: ComputePlan) -> dict[str, str]:
        """Makes the remaining orders and payments.

        Returns:
            Transactions of the orders by DID.

        Raises:
            TransactionFailed: refused or reverted; earlier steps stand.
        """
        orders = {}
        for order in plan.orders:
            if not order.valid:
                self.report(f"ordering the {order.role}")
            tx_hash = orders[order.did] = carry_out(order, self.journal)
            self.book.add(self.journal.chain, order.datatoken, order.service_id, order.consumer, tx_hash)
        if plan.escrow is not None:
            if plan.escrow.deposit.units or not plan.escrow.is_allowed:
                self.report("paying into the escrow")
            pay_in(plan.escrow, self.journal)
        return orders

    def start(self, plan: ComputePlan, orders: Mapping[str, str]) -> str:
        """Starts the job, unless it is already running.

        Args:
            plan: from `plan`.
            orders: from `pay`.

        Returns:
            The job's id.

        Raises:
            NodeError: the node refuses, or did not answer and has no job of this run. The same call again
                looks for the job before it starts one.
        """
        marked = self.journal.result("mark") or self.journal.record(
            "mark", {}, {"mark": secrets.token_hex(16)}
        )
        started = self.find_started()
        if started is None:
            started = self._start(plan, orders, marked["mark"])
            self.journal.record("start", marked, {"job": started})
        return started

    def find_started(self) -> str | None:
        """The id of the job that an earlier run started, even if that run was stopped before the answer.

        Raises:
            NodeError: the node does not answer.
        """
        started = self.journal.result("start")
        if started is not None:
            return str(started["job"])
        marked = self.journal.result("mark")
        found = self._marked(marked["mark"]) if marked else None
        if found is not None:
            self.journal.record("start", marked, {"job": found})
        return found

    def _start(self, plan: ComputePlan, orders: Mapping[str, str], mark: str) -> str:
        chain = self.journal.chain
        job: JsonObject = {**plan.job(orders), "metadata": {MARK: mark}}
        if plan.resources or plan.placement.token is not None:
            job["resources"] = plan.resources
        try:
            if plan.placement.token is None:
                return self.node.start_free(job, chain.account).job_id
            job["payment"] = {**plan.payment(chain.chain_id), "maxJobDuration": plan.placement.seconds}
            return self.node.start_paid(job, chain.account).job_id
        except NodeError as error:
            if error.status not in (None, 502, 504):
                raise
            # The answer is lost; the job may be running.
            for _ in range(_LOOK_AGAIN):
                self.pause(EAGER_SECONDS)
                found = self._marked(mark)
                if found is not None:
                    return found
            raise

    def _marked(self, mark: str) -> str | None:
        """The id of the job that carries the mark.

        Nodes list jobs without the engine's hash in front of the id, but expect it in requests: it is the
        part of the environment's id before the first dash.
        """
        for job in self.node.jobs(self.journal.chain.address):
            if job.metadata.get(MARK) == mark:
                engine = (job.environment or "").split("-", 1)[0]
                is_whole = not engine or job.job_id.startswith(f"{engine}-")
                return job.job_id if is_whole else f"{engine}-{job.job_id}"
        return None


def follow(
    node: Node,
    consumer: str,
    job_id: str,
    show: Callable[[Job], None],
    pause: Callable[[float], None] = time.sleep,
) -> Job:
    """Polls the job's state until it is over, at the intervals of `poll_pauses`.

    Args:
        node: runs it.
        consumer: address of its owner.
        job_id: from `Buyer.start`.
        show: called with every state.
        pause: waits, in seconds.

    Returns:
        The last state, with its results.

    Raises:
        JobFailed: the node does not know the job.
        NodeError: the node does not answer.
    """
    late = 0
    for pause_seconds in poll_pauses():
        jobs = node.jobs(consumer, job_id)
        if len(jobs) != 1:
            raise JobFailed(job_id, "the node does not know it, or it belongs to another account")
        job = jobs[0]
        show(job)
        if job.is_over:
            # The node writes the algorithm's log a moment after it reports that the job is over.
            late += 1
            if job.has_failed or late > _LOOK_AGAIN or any(one.type == "algorithmLog" for one in job.results):
                return job
        pause(EAGER_SECONDS if late else pause_seconds)
    raise AssertionError("the pauses never end")
