"""Where a job runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..errors import SettingError
from ..node.answers import Environment


@dataclass(frozen=True)
class JobRequest:
    """What the buyer asks for.

    Attributes:
        parameters: of the algorithm, checked already.
        environment: id; None takes the best.
        mode: "free", "paid", or "any": free where it is offered.
        token: to pay with; None takes the environment's first.
        seconds: how long the job may take; None is as long as the environment allows.
        resources: amounts by name: cpu, ram, disk; the others are the least that is offered.
    """

    parameters: Mapping[str, str]
    environment: str | None = None
    mode: Literal["free", "paid", "any"] = "any"
    token: str | None = None
    seconds: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Placement:
    """Where the job will run.

    Attributes:
        environment: of the node.
        token: that pays; None is free.
        seconds: how long the job may take.
    """

    environment: Environment
    token: str | None
    seconds: int


def choose_environment(environments: Sequence[Environment], request: JobRequest, chain_id: int) -> Placement:
    """Where the job runs: the environment that was named, or else free before paid, in the node's order.

    Raises:
        SettingError: the node offers none that fits; names those that it offers.
    """
    if not environments:
        raise SettingError("the node runs no compute jobs; name another one with --node-url")
    candidates = [one for one in environments if request.environment in (None, one.id)]
    if not candidates:
        known = ", ".join(one.id for one in environments)
        raise SettingError(f"the node has no environment {request.environment}; it has {known}")
    if request.mode in ("free", "any"):
        for one in candidates:
            if one.free is not None:
                return Placement(one, None, _duration(request.seconds, one.free.max_job_duration))
    if request.mode in ("paid", "any"):
        for one in candidates:
            token = _token(one, request.token, chain_id)
            if token is not None:
                seconds = max(_duration(request.seconds, one.max_job_duration), one.min_job_duration)
                return Placement(one, token, seconds)
    raise _nothing_fits(request, chain_id)


def _nothing_fits(request: JobRequest, chain_id: int) -> SettingError:
    kind = "" if request.mode == "any" else f"{request.mode} "
    paid = f" paid on chain {chain_id}" if request.mode != "free" else ""
    in_token = f" in {request.token}" if request.token else ""
    return SettingError(f"the node offers no {kind}environment{paid}{in_token}; see --list-environments")


def _token(environment: Environment, wanted: str | None, chain_id: int) -> str | None:
    tokens = environment.tokens(chain_id)
    return next((one for one in tokens if wanted is None or one.lower() == wanted.lower()), None)


def _duration(wanted: int | None, most: int) -> int:
    if most and wanted and wanted > most:
        raise SettingError(f"the environment runs jobs for at most {most} s, not {wanted}")
    return wanted or most or 3600
