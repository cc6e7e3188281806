"""Where a job runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..chain.connection import Chain
from ..errors import PublishError, SettingError
from ..node.answers import Access, Environment, Resource

PAID_SECONDS = 3600
"""Default time limit of a paid job; the price of the whole time is locked."""


@dataclass(frozen=True)
class JobRequest:
    """A buyer's request.

    Attributes:
        parameters: of the algorithm, already checked.
        environment: id; None takes the best.
        mode: "free", "paid", or "any", which prefers free.
        token: to pay with; None takes the environment's first.
        seconds: time limit of the job; None is `PAID_SECONDS` for a paid job, and the environment's maximum
            for a free one.
        resources: amounts by name: cpu, ram, disk, or a device; all others default to the minimum offered.
    """

    parameters: Mapping[str, str]
    environment: str | None = None
    mode: Literal["free", "paid", "any"] = "any"
    token: str | None = None
    seconds: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Placement:
    """Environment and terms of a job.

    Attributes:
        environment: of the node.
        token: to pay with; None is free.
        seconds: time limit of the job.
    """

    environment: Environment
    token: str | None
    seconds: int


def usable_environments(environments: Sequence[Environment], chain: Chain) -> list[Environment]:
    """The environments that run the account's jobs, each without the offers that are closed to it.

    A node checks this only when a job starts, which is after the payment.

    Args:
        environments: of the node.
        chain: with the account, and the access lists that can be read.
    """
    usable = []
    for one in environments:
        free = one.free if one.free is not None and _admits(one.free.access, chain) else None
        fees = one.fees if _admits(one.access, chain) else {}
        runs_jobs = one.features is None or one.features.compute_jobs
        if runs_jobs and (free is not None or fees):
            usable.append(one.model_copy(update={"free": free, "fees": fees}))
    return usable


def _admits(access: Access | None, chain: Chain) -> bool:
    """Applies the rule of ocean-node (`validateAccess`, `checkAddressOnAccessList`).

    A node compares addresses case-sensitively. Lists on other chains cannot be read here and admit nobody.
    """
    if access is None or access.is_open or chain.address in access.addresses:
        return True
    return any(_is_on(one, chain) for one in access.lists(chain.chain_id))


def _is_on(access_list: str, chain: Chain) -> bool:
    """Whether the account holds a token of the list; a contract that does not answer admits nobody."""
    contract = chain.contract("ERC721Template", access_list)
    try:
        return int(chain.read(contract.functions.balanceOf(chain.address))) > 0
    except PublishError:
        return False


def choose_environment(environments: Sequence[Environment], request: JobRequest, chain: Chain) -> Placement:
    """Chooses the requested environment, or else free before paid, in the node's order.

    Raises:
        SettingError: no environment fits; the message lists those that the node offers.
    """
    if not environments:
        raise SettingError("the node runs no compute jobs; name another one with --node-url")
    candidates = [one for one in environments if request.environment in (None, one.id)]
    if not candidates:
        known = ", ".join(one.id for one in environments)
        raise SettingError(f"the node has no environment {request.environment}; it has {known}")
    candidates = usable_environments(candidates, chain)
    if not candidates:
        which = f"the environment {request.environment}" if request.environment else "the node"
        raise SettingError(
            f"{which} runs no jobs of account {chain.address}; "
            "ask the node's operator for access, or name another node with --node-url"
        )
    if request.mode in ("free", "any"):
        for one in candidates:
            if one.free is not None and _offers(one.free.resources or one.resources, request):
                most = one.free.max_job_duration
                return Placement(one, None, _duration(request.seconds, most, most))
    if request.mode in ("paid", "any"):
        for one in candidates:
            token = _token(one, request.token, chain.chain_id)
            if token is not None and _offers(one.resources, request):
                most = one.max_job_duration
                usual = min(PAID_SECONDS, most or PAID_SECONDS)
                seconds = max(_duration(request.seconds, most, usual), one.min_job_duration)
                return Placement(one, token, seconds)
    raise _nothing_fits(request, chain.chain_id)


def _nothing_fits(request: JobRequest, chain_id: int) -> SettingError:
    kind = "" if request.mode == "any" else f"{request.mode} "
    paid = f" paid on chain {chain_id}" if request.mode != "free" else ""
    in_token = f" in {request.token}" if request.token else ""
    wanted = ", ".join(f"{amount:g} {name}" for name, amount in request.resources.items())
    with_these = f" with {wanted}" if wanted else ""
    return SettingError(
        f"the node offers this account no {kind}environment{paid}{in_token}{with_these}; "
        "see --list-environments"
    )


def _offers(resources: Sequence[Resource], request: JobRequest) -> bool:
    """Whether a job may have the requested amounts."""
    most = {one.id: one.max for one in resources}
    return all(amount <= most.get(name, 0) for name, amount in request.resources.items())


def _token(environment: Environment, wanted: str | None, chain_id: int) -> str | None:
    tokens = environment.tokens(chain_id)
    return next((one for one in tokens if wanted is None or one.lower() == wanted.lower()), None)


def _duration(wanted: int | None, most: int, usual: int) -> int:
    if most and wanted and wanted > most:
        raise SettingError(f"the environment runs jobs for at most {most} s, not {wanted}")
    return wanted or usual or PAID_SECONDS
