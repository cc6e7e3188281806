"""A compute job from the datatoken holder's side: choose, check, order, start, follow.

    plan        assets, trust, environment, prices; nothing is signed
    pay         orders and escrow, each transaction journaled before it is sent
    start       once; a job that an interrupted run started is found again by its mark
    follow      until it is over

Free compute asks for no order and no payment; the node checks no trust there, so it is checked here.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..assets.ddo import DDO, TrustedAlgorithm, parse_ddo
from ..assets.trust import differences, trusted_algorithm
from ..chain.connection import Chain
from ..chain.journal import Journal
from ..chain.tokens import Amount, check_funds, total
from ..errors import JobFailed, NodeError, OrderError, SettingError, UntrustedAlgorithm
from ..node.answers import Environment, Job
from ..node.client import NodeClient
from .escrow import EscrowPlan, pay_in, plan_escrow
from .orders import OrderBook, OrderPlan, carry_out, order_step, plan_order

__all__ = [
    "Assets",
    "Choice",
    "ComputePlan",
    "Wish",
    "check_trust",
    "choose_environment",
    "find_assets",
    "find_started",
    "follow",
    "pay",
    "plan_compute",
    "start",
]

MARK = "unionveil"
"""Key of the job's metadata under which a run finds its own job again."""

_POLL_SECONDS = 2.0
_LOOK_AGAIN = 3


@dataclass(frozen=True)
class Assets:
    """What is computed with and on.

    Attributes:
        algorithm: its DDO, with one service.
        datasets: their DDOs.
    """

    algorithm: DDO
    datasets: tuple[DDO, ...]


@dataclass(frozen=True)
class Wish:
    """What the buyer asks for.

    Attributes:
        parameters: of the algorithm, checked already.
        environment: id; None takes the best.
        mode: "free", "paid", or "any": free where it is offered.
        token: to pay with; None takes the environment's first.
        seconds: how long the job may take; None is as long as the environment allows.
        resources: amounts by name: cpu, ram, disk; what is missing is the least that is offered.
    """

    parameters: Mapping[str, str]
    environment: str | None = None
    mode: Literal["free", "paid", "any"] = "any"
    token: str | None = None
    seconds: int | None = None
    resources: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Choice:
    """Where the job will run.

    Attributes:
        environment: of the node.
        token: that pays; None is free.
        seconds: how long the job may take.
    """

    environment: Environment
    token: str | None
    seconds: int


@dataclass(frozen=True)
class ComputePlan:
    """All that will happen, before anything is signed.

    Attributes:
        assets: algorithm and data sets.
        choice: where.
        wish: what was asked for.
        orders: algorithm first; none for free compute.
        escrow: None for free compute.
    """

    assets: Assets
    choice: Choice
    wish: Wish
    orders: tuple[OrderPlan, ...] = ()
    escrow: EscrowPlan | None = None

    @property
    def costs(self) -> tuple[Amount, ...]:
        """All that leaves the account, by token, without gas."""
        amounts = [amount for order in self.orders for amount in order.costs]
        return total([*amounts, *([self.escrow.deposit] if self.escrow else [])])


def find_assets(node: NodeClient, algorithm: str, datasets: Sequence[str], chain_id: int) -> Assets:
    """The assets by their DIDs, checked.

    Raises:
        SettingError: the node has no such asset, it is on another chain, or of the wrong kind.
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


def _asset(node: NodeClient, did: str, chain_id: int) -> DDO:
    value = node.ddo(did)
    if value is None:
        raise SettingError(f"the node at {node.url} has no asset {did}")
    state = ((value.get("indexedMetadata") or {}).get("nft") or {}).get("state", 0)
    # ocean-node's isOrderingAllowedForAsset lets 0 (active) and 1 (end of life) through.
    if state not in (0, 1):
        raise SettingError(f"{did} is not offered any more (state {state} on the chain)")
    if value.get("chainId") != chain_id:
        raise SettingError(f"{did} is on chain {value.get('chainId')}, the network is chain {chain_id}")
    return parse_ddo(value)


def check_trust(node: NodeClient, assets: Assets) -> None:
    """Checks that every data set lets the algorithm in as it is now, as the node does for paid jobs.

    Raises:
        UntrustedAlgorithm: names what does not fit.
        NodeError: the node cannot read the algorithm's files.
    """
    algorithm = assets.algorithm
    now = trusted_algorithm(algorithm, node)
    for dataset in assets.datasets:
        compute = _compute_service(dataset).compute
        if compute is None:
            continue
        publishers = {one.lower() for one in compute.publisher_trusted_algorithm_publishers}
        if publishers & {"*", algorithm.nft_address.lower()}:
            continue
        entries = [one for one in compute.publisher_trusted_algorithms if one.did in ("*", algorithm.id)]
        if not entries:
            raise UntrustedAlgorithm(algorithm.id, dataset.id, "it is not among those it names")
        reasons = [_misfit(one, now) for one in entries]
        if all(reasons):
            raise UntrustedAlgorithm(algorithm.id, dataset.id, reasons[0])


def _misfit(entry: TrustedAlgorithm, now: TrustedAlgorithm) -> str:
    return "; ".join(differences(entry, now))


def _compute_service(dataset: DDO) -> Any:
    """The service that jobs use: the first compute service, or else the first one."""
    return next((one for one in dataset.services if one.type == "compute"), dataset.services[0])


def choose_environment(environments: Sequence[Environment], wish: Wish, chain_id: int) -> Choice:
    """Where the job runs: the environment that was named, or else free before paid, in the node's order.

    Raises:
        SettingError: the node offers none that fits; names those that it offers.
    """
    if not environments:
        raise SettingError("the node runs no compute jobs; name another one with --node-url")
    candidates = [one for one in environments if wish.environment in (None, one.id)]
    if not candidates:
        known = ", ".join(one.id for one in environments)
        raise SettingError(f"the node has no environment {wish.environment}; it has {known}")
    if wish.mode in ("free", "any"):
        for one in candidates:
            if one.free is not None:
                most = one.free.max_job_duration
                return Choice(one, None, _duration(wish.seconds, most))
    if wish.mode in ("paid", "any"):
        for one in candidates:
            token = _token(one, wish.token, chain_id)
            if token is not None:
                seconds = max(_duration(wish.seconds, one.max_job_duration), one.min_job_duration)
                return Choice(one, token, seconds)
    kind = "" if wish.mode == "any" else f"{wish.mode} "
    paid = f" paid on chain {chain_id}" if wish.mode != "free" else ""
    in_token = f" in {wish.token}" if wish.token else ""
    raise SettingError(f"the node offers no {kind}environment{paid}{in_token}; see --list-environments")


def _token(environment: Environment, wanted: str | None, chain_id: int) -> str | None:
    tokens = environment.tokens(chain_id)
    return next((one for one in tokens if wanted is None or one.lower() == wanted.lower()), None)


def _duration(wanted: int | None, most: int) -> int:
    if most and wanted and wanted > most:
        raise SettingError(f"the environment runs jobs for at most {most} s, not {wanted}")
    return wanted or most or 3600


def plan_compute(
    chain: Chain, node: NodeClient, assets: Assets, wish: Wish, book: OrderBook, journal: Journal
) -> ComputePlan:
    """Everything that has to be done, and what it costs. Signs nothing.

    Args:
        chain: with the account that pays.
        node: that runs the job.
        assets: of `find_assets`.
        wish: what the buyer asks for.
        book: orders of earlier jobs.
        journal: of this job; what it has begun is not planned again.

    Raises:
        UntrustedAlgorithm: a data set does not let the algorithm in.
        SettingError: no environment fits.
        OrderError: an asset cannot be ordered, or the node asks for something odd.
        InsufficientFunds: the account lacks a token.
        NodeError: the node refuses.
    """
    check_trust(node, assets)
    choice = choose_environment(node.environments(), wish, chain.chain_id)
    plan = ComputePlan(assets, choice, wish)
    if choice.token is None:
        return plan
    consumer = choice.environment.consumer_address
    roles = _roles(assets)
    known: dict[str, str] = {}
    for role, ddo in roles:
        service = _service_of(assets, ddo)
        done = journal.result(order_step(role)) or {}
        found = done.get("order") or book.find(chain, service.datatoken_address, service.id, consumer)
        if found:
            known[ddo.id] = str(found)
    request = {**_job(plan, known), "payment": _payment(plan, chain.chain_id)}
    answer = node.initialize_compute(request, chain.address)
    if len(answer.datasets) != len(assets.datasets):
        raise OrderError("the node speaks of another number of data sets than were named; nothing was signed")
    planned = tuple(
        plan_order(chain, role, ddo, _service_of(assets, ddo).id, said, journal)
        for (role, ddo), said in zip(roles, (answer.algorithm, *answer.datasets), strict=True)
    )
    for order_plan in planned:
        if order_plan.consumer.lower() != consumer.lower():
            raise OrderError(
                "the node wants orders for another address than its environment's; nothing was signed"
            )
    escrow = plan_escrow(chain, answer.payment, consumer)
    plan = replace(plan, orders=planned, escrow=escrow)
    check_funds(chain, plan.costs)
    return plan


def _roles(assets: Assets) -> list[tuple[str, DDO]]:
    """Names of the assets for people and the journal."""
    if len(assets.datasets) == 1:
        return [("algorithm", assets.algorithm), ("data set", assets.datasets[0])]
    numbered = [(f"data set {number}", ddo) for number, ddo in enumerate(assets.datasets, 1)]
    return [("algorithm", assets.algorithm), *numbered]


def _service_of(assets: Assets, ddo: DDO) -> Any:
    return ddo.service() if ddo is assets.algorithm else _compute_service(ddo)


def _payment(plan: ComputePlan, chain_id: int) -> dict[str, Any]:
    return {"chainId": chain_id, "token": plan.choice.token, "resources": _resources(plan.wish)}


def _resources(wish: Wish) -> list[dict[str, Any]]:
    return [{"id": name, "amount": amount} for name, amount in (wish.resources or {}).items()]


def _job(plan: ComputePlan, orders: Mapping[str, str]) -> dict[str, Any]:
    """The body that a node takes; `algorithm.meta` must be sent, it is not looked up."""
    assets = plan.assets

    def reference(ddo: DDO) -> dict[str, Any]:
        given = {"documentId": ddo.id, "serviceId": _service_of(assets, ddo).id}
        return {**given, "transferTxId": orders[ddo.id]} if ddo.id in orders else given

    described = assets.algorithm.metadata.algorithm
    assert described is not None  # noqa: S101 - find_assets has checked it
    container = described.container.model_dump(include={"entrypoint", "image", "tag", "checksum"})
    return {
        "environment": plan.choice.environment.id,
        "datasets": [reference(ddo) for ddo in assets.datasets],
        "algorithm": {
            **reference(assets.algorithm),
            "meta": {
                "language": described.language or "",
                "version": described.version or "",
                "container": container,
            },
            "algocustomdata": dict(plan.wish.parameters),
        },
        "maxJobDuration": plan.choice.seconds,
    }


def pay(
    plan: ComputePlan,
    chain: Chain,
    journal: Journal,
    book: OrderBook,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, str]:
    """Orders and pays, as far as it is not done.

    Args:
        plan: of `plan_compute`.
        chain: with the account that pays.
        journal: of this job.
        book: gets the orders.
        say: told what happens.

    Returns:
        Orders by DID.

    Raises:
        TransactionFailed: refused or reverted; what was done stands, and the same call again goes on.
    """
    orders = {}
    consumer = plan.choice.environment.consumer_address
    for order in plan.orders:
        ddo = next(one for one in (plan.assets.algorithm, *plan.assets.datasets) if one.id == order.did)
        if not order.valid:
            say(f"ordering the {order.role}")
        orders[ddo.id] = carry_out(order, chain, journal)
        service = _service_of(plan.assets, ddo)
        book.add(chain, service.datatoken_address, service.id, consumer, orders[ddo.id])
    if plan.escrow is not None:
        if plan.escrow.deposit.units or not plan.escrow.is_allowed:
            say("paying into the escrow")
        pay_in(plan.escrow, chain, journal)
    return orders


def start(
    plan: ComputePlan,
    chain: Chain,
    node: NodeClient,
    journal: Journal,
    orders: Mapping[str, str],
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Starts the job, unless it runs already.

    Args:
        plan: of `plan_compute`.
        chain: with the account that signs.
        node: that runs it.
        journal: of this job.
        orders: of `pay`.
        pause: waits so many seconds.

    Returns:
        The job's id.

    Raises:
        NodeError: the node refuses, or gave no answer and runs no job of this run. The same call again looks
            for the job before it starts one.
    """
    mark = journal.run("mark", {}, lambda: {"mark": secrets.token_hex(16)})["mark"]
    begin = lambda: {"job": _start(plan, chain, node, mark, orders, pause)}  # noqa: E731
    return find_started(chain, node, journal) or str(journal.run("start", {"mark": mark}, begin)["job"])


def find_started(chain: Chain, node: NodeClient, journal: Journal) -> str | None:
    """The id of the job that an earlier run started, even if it was stopped before it got the answer.

    Raises:
        NodeError: no answer.
    """
    started = journal.result("start")
    if started is not None:
        return str(started["job"])
    marked = journal.result("mark")
    found = _marked(node, chain.address, marked["mark"]) if marked else None
    if marked is None or found is None:
        return None
    return str(journal.run("start", {"mark": marked["mark"]}, lambda: {"job": found})["job"])


def _start(
    plan: ComputePlan,
    chain: Chain,
    node: NodeClient,
    mark: str,
    orders: Mapping[str, str],
    pause: Callable[[float], None],
) -> str:
    job: dict[str, Any] = {**_job(plan, orders), "metadata": {MARK: mark}}
    if plan.wish.resources:
        job["resources"] = _resources(plan.wish)
    try:
        if plan.choice.token is None:
            return node.start_free(job, chain.account).job_id
        job["payment"] = {**_payment(plan, chain.chain_id), "maxJobDuration": plan.choice.seconds}
        job["resources"] = _resources(plan.wish)
        return node.start_paid(job, chain.account).job_id
    except NodeError as error:
        if error.status not in (None, 502, 504):
            raise
        # The answer is lost, the job may run.
        for _ in range(_LOOK_AGAIN):
            pause(_POLL_SECONDS)
            found = _marked(node, chain.address, mark)
            if found is not None:
                return found
        raise


def _marked(node: NodeClient, consumer: str, mark: str) -> str | None:
    """The id of the job that carries the mark.

    Nodes list jobs without the engine's hash in front of the id, and take it only with that: the part of the
    environment's id before the first dash.
    """
    for job in node.jobs(consumer):
        if job.metadata.get(MARK) == mark:
            engine = (job.environment or "").split("-", 1)[0]
            is_whole = not engine or job.job_id.startswith(f"{engine}-")
            return job.job_id if is_whole else f"{engine}-{job.job_id}"
    return None


def follow(
    node: NodeClient,
    consumer: str,
    job_id: str,
    say: Callable[[Job], None],
    pause: Callable[[float], None] = time.sleep,
) -> Job:
    """Asks for the job's state until it is over.

    Args:
        node: that runs it.
        consumer: address of its owner.
        job_id: of `start`.
        say: told every state.
        pause: waits so many seconds.

    Returns:
        The last state, with its results.

    Raises:
        JobFailed: the node does not know the job.
        NodeError: no answer.
    """
    late = 0
    while True:
        jobs = node.jobs(consumer, job_id)
        if len(jobs) != 1:
            raise JobFailed(job_id, "the node does not know it, or it belongs to another account")
        job = jobs[0]
        say(job)
        if job.is_over:
            # The node writes the algorithm's log a moment after it says that the job is over.
            late += 1
            if job.has_failed or late > _LOOK_AGAIN or any(one.type == "algorithmLog" for one in job.results):
                return job
        pause(_POLL_SECONDS)
