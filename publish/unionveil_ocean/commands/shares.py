"""`python publish/shares.py`: contributors own the data set together."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

import click

from ..assets.ddo import checksum_address
from ..assets.pricing import TOKEN_WEI, token_facts
from ..assets.shares import Contributions, allot, distribute, read_contributions, release, set_splitter
from ..chain.contracts import ZERO_ADDRESS
from ..chain.journal import Journal
from ..errors import InsufficientFunds, SettingError
from .register_dataset import embedded_algorithm
from .report import amount, columns, show_plan
from .session import Session, confirm, open_session, run_command, say, session_of, session_options

__all__ = ["main", "shares"]

_file = click.argument("contributions", type=click.Path(path_type=Path, exists=True, dir_okay=False))
_datatoken = click.option(
    "--datatoken", metavar="ADDRESS", help="Datatoken of the data set; see register_dataset."
)
_tokens = click.option("--tokens", required=True, metavar="NUMBER", help="Datatokens to give away in all.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def shares() -> None:
    """Shares a data set among its contributors, by the number of their accepted photos.

    CONTRIBUTIONS is a CSV file with the columns wallet and photos, or wallet and manifest (the path of a
    manifest.json over the contributor's photos).
    """


@shares.command()
@_file
@_tokens
def plan(contributions: Path, tokens: str) -> None:
    """Shows who would get how much; asks no chain and signs nothing."""
    found = read_contributions(contributions)
    _show_parts(found, allot(found.photos, _wei(tokens)))


@shares.command()
@_file
@_tokens
@_datatoken
@click.option("--round", "round_number", type=click.IntRange(min=1), default=1, show_default=True)
@session_options
def mint(contributions: Path, tokens: str, datatoken: str | None, round_number: int, **options: Any) -> None:
    """Mints datatokens to the contributors; the same round never pays twice."""
    _give("mint", contributions, tokens, datatoken, round_number, options)


@shares.command()
@_file
@_tokens
@_datatoken
@click.option("--round", "round_number", type=click.IntRange(min=1), default=1, show_default=True)
@session_options
def transfer(
    contributions: Path, tokens: str, datatoken: str | None, round_number: int, **options: Any
) -> None:
    """Transfers the account's own datatokens to the contributors; the same round never pays twice."""
    _give("transfer", contributions, tokens, datatoken, round_number, options)


def _give(
    how: Literal["mint", "transfer"],
    contributions: Path,
    tokens: str,
    datatoken: str | None,
    round_number: int,
    options: dict[str, Any],
) -> None:
    found = read_contributions(contributions)
    parts = allot(found.photos, _wei(tokens))
    with open_session(**session_of(options)) as session:
        token = _token(session, datatoken)
        chain = session.chain
        contract = chain.contract("ERC20Template", token).functions
        _show_parts(found, parts)
        held, total = contract.balanceOf(chain.address).call(), sum(parts.values())
        if how == "transfer" and held < total:
            raise InsufficientFunds(chain.address, total, held, contract.symbol().call())
        wallet, part = next(iter(parts.items()))
        gas = chain.estimate_gas(getattr(contract, how)(wallet, part), action=how)
        show_plan(session, f"{how} datatokens {token}", {f"{len(parts)} transactions": gas * len(parts)})
        confirm(session, "Sign and send?")
        with Journal(session.journal_path("shares", token), chain) as journal:
            distribute(chain, token, parts, journal, round_number=round_number, how=how, say=say)
            used = sum(journal.gas_used.values())
        click.echo(
            columns([("datatoken", token), ("given", amount(total, "datatokens")), ("gas", f"{used:,}")])
        )


@shares.command()
@_file
@_datatoken
@click.option(
    "--payment-token", metavar="ADDRESS", help="What buyers pay with: divided before shares change."
)
@session_options
def splitter(contributions: Path, datatoken: str | None, payment_token: str | None, **options: Any) -> None:
    """Makes a splitter the payment collector, or brings its shares up to date."""
    found = read_contributions(contributions)
    with open_session(**session_of(options)) as session:
        token = _token(session, datatoken)
        chain = session.chain
        _show_parts(found, None)
        wallets, numbers = list(found.photos), list(found.photos.values())
        gas = chain.estimate_gas(
            chain.constructor("Splitter", wallets, numbers), action="deploy the splitter"
        )
        show_plan(session, f"splitter for datatoken {token}", {"deploy": gas})
        confirm(session, "Sign and send?")
        with Journal(session.journal_path("shares", token), chain) as journal:
            address = set_splitter(chain, token, found.photos, journal, payment_token=payment_token, say=say)
        click.echo(columns([("datatoken", token), ("splitter", address)]))


@shares.command("release")
@click.option("--splitter", "splitter_address", required=True, metavar="ADDRESS")
@click.option("--payment-token", required=True, metavar="ADDRESS", help="What buyers paid with.")
@_datatoken
@session_options
def release_command(splitter_address: str, payment_token: str, datatoken: str | None, **options: Any) -> None:
    """Collects what was sold and divides it; anybody may do this."""
    if datatoken is None:
        raise SettingError("name the datatoken with --datatoken")
    with open_session(**session_of(options)) as session:
        chain = session.chain
        paid_with = _address(payment_token)
        symbol, decimals = token_facts(chain, paid_with)
        confirm(session, f"Divide the {symbol} that the splitter {splitter_address} holds?")
        divided = release(chain, _address(splitter_address), _address(datatoken), paid_with, say)
        click.echo(f"divided {Decimal(divided) / 10**decimals:f} {symbol}")


def _token(session: Session, datatoken: str | None) -> str:
    if datatoken is not None:
        return _address(datatoken)
    if not session.is_embedded:
        raise SettingError("name the data set's datatoken with --datatoken")
    done = embedded_algorithm(session)
    say(f"on the embedded chain: datatoken {done.datatoken}")
    return done.datatoken


def _address(text: str) -> str:
    try:
        address = checksum_address(text)
    except ValueError as error:
        raise SettingError(str(error)) from error
    if address == ZERO_ADDRESS:
        raise SettingError(f"{text} is nobody's address")
    return address


def _wei(tokens: str) -> int:
    try:
        wei = Decimal(tokens) * TOKEN_WEI
    except InvalidOperation as error:
        raise SettingError(f"--tokens {tokens!r} is no number") from error
    if not wei.is_finite() or wei <= 0 or wei != wei.to_integral_value():
        raise SettingError(f"--tokens {tokens!r} must be larger than 0, with 18 decimals at most")
    return int(wei)


def _show_parts(found: Contributions, parts: Mapping[str, int] | None) -> None:
    count = sum(found.photos.values())
    rows = [
        (
            wallet,
            f"{photos} photos, {photos / count:.2%}"
            + (f", {amount(parts[wallet], 'datatokens')}" if parts else ""),
        )
        for wallet, photos in found.photos.items()
    ]
    total = f"{count} photos" + (f", {amount(sum(parts.values()), 'datatokens')}" if parts else "")
    click.echo(columns([*rows, ("total", total)]))
    for wallet in found.without:
        say(f"left out, no accepted photo: {wallet}")


main = run_command(shares)
