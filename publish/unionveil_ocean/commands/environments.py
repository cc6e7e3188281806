"""`run_job.py --list-environments`: a node's environments, their prices, and their users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click

from ..chain.connection import Chain
from ..chain.tokens import amount_of
from ..errors import SettingError
from ..node.answers import Access, Environment, Price, Resource
from .report import plain

_UNITS = {"cpu": "core", "ram": "GiB of memory", "disk": "GiB of disk"}
"""Units of ocean-node's resources (docs/env.md); all others are devices, which are counted."""


def show_environments(environments: Sequence[Environment], chain: Chain) -> None:
    """Prints every environment that runs jobs.

    Args:
        environments: of the node.
        chain: reads the symbols of tokens; its account signs nothing.

    Raises:
        SettingError: no environment runs jobs.
    """
    shown = [one for one in environments if one.features is None or one.features.compute_jobs]
    if not shown:
        raise SettingError("the node runs no compute jobs")
    tokens = {token for one in shown for token in one.tokens(chain.chain_id)}
    symbols = {token: amount_of(chain, token, 0).symbol for token in sorted(tokens)}
    for one in shown:
        click.echo("\n  ".join(describe(one, symbols, chain.chain_id)))


def describe(environment: Environment, symbols: Mapping[str, str], chain_id: int) -> Iterator[str]:
    """Describes an environment in lines.

    Args:
        environment: of a node.
        symbols: of its tokens, by address.
        chain_id: of the payments.
    """
    yield plain(environment.id)
    if environment.description:
        yield plain(environment.description)
    free = environment.free
    if free is not None:
        yield f"free, up to {free.max_job_duration} s{_for_whom(free.access, chain_id)}"
        if free.resources:
            yield f"  {_limits(free.resources)}"
    for offer in environment.fees.get(str(chain_id), ()):
        symbol = symbols.get(offer.fee_token, offer.fee_token)
        prices = ", ".join(_price(price, symbol) for price in offer.prices) or "no prices"
        most = environment.max_job_duration
        yield f"paid, up to {most} s: {prices}{_for_whom(environment.access, chain_id)}"
        yield f"  in {symbol}, token {offer.fee_token}"
    if environment.resources:
        yield _limits(environment.resources)


def _unit(resource: str) -> str:
    return _UNITS.get(resource, plain(resource))


def _price(price: Price, symbol: str) -> str:
    return f"{price.price:g} {symbol} per {_unit(price.id)} and minute"


def _limits(resources: Sequence[Resource]) -> str:
    return ", ".join(_limit(one) for one in resources)


def _limit(resource: Resource) -> str:
    name = "cores" if resource.id == "cpu" else _unit(resource.id)
    what = f" ({plain(resource.description)})" if resource.description else ""
    return f"{resource.min:g} to {resource.max:g} {name}{what}"


def _for_whom(access: Access | None, chain_id: int) -> str:
    if access is None or access.is_open:
        return ""
    lists = ", ".join(access.lists(chain_id))
    holders = f" and holders of a token of {lists}" if lists else ""
    return f"; only for accounts that the operator names ({len(access.addresses)} addresses){holders}"
