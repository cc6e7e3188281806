"""The commands' output: plans, DDOs, costs and results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import click

from unionveil.text import printable

from ..assets.ddo import DDO
from ..assets.publisher import Publication
from ..chain.connection import Chain, shown_url
from ..chain.fees import gas_price_of
from ..chain.networks import Addresses, Network
from ..errors import ChainError, InsufficientFunds
from ..money import GWEI, gwei, money
from .session import Session, say

DIGITS = 6
"""Significant digits of rounded amounts."""


_JOBS = "publish/run_job.py, ocean-cli or a portal such as Pontus-X; Ocean Market only shows assets"


def confirm_plan(
    session: Session,
    action: str,
    gas: Mapping[str, int],
    draft: DDO | None = None,
    price: str | None = None,
    made: Mapping[str, str] = {},
) -> None:
    """Shows everything that is about to be signed, checks that the account can pay for it, and asks.

    On an embedded chain everything is free, and nothing is shown.

    Args:
        session: of the command.
        action: a few words.
        gas: by step, estimated or from a rehearsal.
        draft: the DDO, with placeholders for addresses and encrypted files that are not known yet.
        price: of an order.
        made: by path in the DDO, words for values that are not known yet.

    Raises:
        InsufficientFunds: the account cannot pay for all steps.
        click.Abort: the answer is no.
    """
    if session.is_embedded:
        return
    chain = session.chain
    network, fees, balance = chain.network, chain.fees(), chain.balance()
    total = sum(gas.values())
    lines = [
        ("network", f"{network.name}, chain {chain.chain_id}"),
        ("account", chain.address),
        ("balance", money(balance, network.currency, digits=DIGITS)),
        ("node", shown_url(session.node.url)),
        *(_contracts(chain.addresses) if draft is not None else ()),
        *((("price", price),) if price else ()),
        *((f"gas: {step}", f"{units:,}") for step, units in gas.items()),
        ("gas: total", f"{total:,} at {gwei(fees.likely)}, {gwei(fees.highest)} at most"),
        ("cost", money(total * fees.likely, network.currency, digits=DIGITS)),
        ("cost at most", money(total * fees.highest, network.currency, digits=DIGITS)),
    ]
    say(f"\n{plain(action)}\n{columns(lines)}\n")
    if draft is not None:
        fields = [(path, made.get(path, value)) for path, value in _fields(draft.as_dict())]
        say(f"DDO\n{columns(fields)}\n")
    if balance < total * fees.highest:
        raise InsufficientFunds(chain.address, total * fees.highest, balance, network.currency)
    session.confirm("Sign and send?")


def gas_rows(chain: Chain, gas: int) -> list[tuple[str, str]]:
    """Rows of a plan with the cost of an amount of gas.

    Raises:
        InsufficientFunds: the account cannot pay for it.
    """
    if not gas:
        return []
    fees, balance, currency = chain.fees(), chain.balance(), chain.network.currency
    if balance < gas * fees.highest:
        raise InsufficientFunds(chain.address, gas * fees.highest, balance, currency)
    return [
        ("gas at most", f"{gas:,} at {gwei(fees.likely)}, {gwei(fees.highest)} at most"),
        ("", f"{money(gas * fees.likely, currency, digits=DIGITS)} at the current price"),
        ("", f"{money(gas * fees.highest, currency, digits=DIGITS)} at most"),
    ]


def _contracts(addresses: Addresses) -> list[tuple[str, str]]:
    return [
        ("contract: factory", addresses.factory),
        ("contract: dispenser", addresses.dispenser),
        ("contract: exchange", addresses.fixed_rate),
    ]


def columns(rows: Iterable[tuple[str, str]]) -> str:
    """Formats names and values as two columns, each pair in one line of printable text.

    Values are never truncated, so that they can be copied. Text from a node, a chain or a DDO cannot leave
    its line and overwrite another one.
    """
    listed = [(plain(name), plain(value)) for name, value in rows]
    width = max(len(name) for name, _ in listed) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in listed)


def plain(text: str) -> str:
    """Text from outside as one printable line, complete and without quotes."""
    return printable(text, quoted=False, most=None)


def _fields(value: object, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [item for key, part in value.items() for item in _fields(part, f"{path}.{key}".lstrip("."))]
    if isinstance(value, list) and value:
        return [item for number, part in enumerate(value) for item in _fields(part, f"{path}.{number}")]
    return [(path, str(value))]


def show_publication(publication: Publication, network: Network) -> None:
    """Prints a publication on standard output."""
    lines = [
        ("DID", publication.did),
        ("data NFT", publication.nft),
        ("datatoken", publication.datatoken),
        *((("exchange", publication.exchange_id),) if publication.exchange_id else ()),
        *((step, network.transaction_link(tx) or tx) for step, tx in publication.tx_hashes.items()),
        *((f"gas: {step}", f"{units:,}") for step, units in publication.gas_used.items()),
        ("gas: total", f"{sum(publication.gas_used.values()):,}"),
        *((("market", link), ("jobs", _JOBS)) if (link := network.market_link(publication.did)) else ()),
    ]
    click.echo(columns(lines))


def print_json(publication: Publication) -> None:
    """Prints a publication as JSON."""
    shown = {
        "did": publication.did,
        "nft": publication.nft,
        "datatoken": publication.datatoken,
        "exchange_id": publication.exchange_id,
        "transactions": publication.tx_hashes,
        "gas": publication.gas_used,
        "ddo": publication.ddo.as_dict(),
    }
    click.echo(json.dumps(shown, indent=1))


def show_cost_elsewhere(gas: int, network: Network) -> None:
    """Shows the cost of an amount of gas on another network, or per gwei if its RPC does not answer."""
    per_gwei = money(gas * GWEI, network.currency, digits=DIGITS)
    try:
        price = gas_price_of(network)
    except ChainError as error:
        click.echo(f"on {network.name}: {per_gwei} for each gwei of the gas price; {error}")
        return
    now = money(gas * price, network.currency, digits=DIGITS)
    click.echo(f"on {network.name} now: {now} ({gwei(price)}; {per_gwei} for each gwei)")
