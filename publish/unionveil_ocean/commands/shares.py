"""`python publish/shares.py`: shares a data set's income among its contributors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from unionveil.text import counted

from ..assets.shares import Contributions, Gift, Sharing, allot, read_contributions, release, release_gas
from ..chain.addresses import ZERO_ADDRESS, checksum_address
from ..chain.tokens import amount_of, check_funds
from ..errors import SettingError
from ..money import money, units_of
from .options import FILE, option, takes
from .publishing import embedded_algorithm
from .report import DIGITS, columns, confirm_plan
from .session import Opener, Session, SessionOptions, entry, say

_file = click.argument("contributions", type=FILE)


_TOKENS_HELP = "Datatokens to give away in total."


@dataclass(frozen=True)
class TokenOptions:
    """The datatoken whose income is shared."""

    datatoken: str | None = option(
        "--datatoken", metavar="ADDRESS", help="Datatoken of the data set; see register_dataset."
    )


@dataclass(frozen=True)
class GiveOptions:
    """Amount and round of a distribution."""

    tokens: str = option("--tokens", required=True, metavar="NUMBER", help=_TOKENS_HELP)
    number: int = option("--round", type=click.IntRange(min=1), default=1, show_default=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def shares() -> None:
    """Shares a data set among its contributors, by the number of their accepted photos.

    CONTRIBUTIONS is a CSV file with the columns wallet and photos, or wallet and manifest (the path of a
    manifest.json over the contributor's photos).
    """


@shares.command()
@_file
@click.option("--tokens", required=True, metavar="NUMBER", help=_TOKENS_HELP)
def plan(contributions: Path, tokens: str) -> None:
    """Shows each wallet's part; needs no chain and signs nothing."""
    found = read_contributions(contributions)
    _show_parts(found, allot(found.photos, _wei(tokens)))


@shares.command()
@_file
@takes(give=GiveOptions, token=TokenOptions, where=SessionOptions)
@click.pass_obj
def mint(
    opener: Opener, contributions: Path, give: GiveOptions, token: TokenOptions, where: SessionOptions
) -> None:
    """Mints datatokens to the contributors; the same round never pays twice."""
    _give(opener, "mint", contributions, give, token, where)


@shares.command()
@_file
@takes(give=GiveOptions, token=TokenOptions, where=SessionOptions)
@click.pass_obj
def transfer(
    opener: Opener, contributions: Path, give: GiveOptions, token: TokenOptions, where: SessionOptions
) -> None:
    """Transfers the account's own datatokens to the contributors; the same round never pays twice."""
    _give(opener, "transfer", contributions, give, token, where)


def _give(
    opener: Opener,
    how: Gift,
    contributions: Path,
    give: GiveOptions,
    token: TokenOptions,
    where: SessionOptions,
) -> None:
    found = read_contributions(contributions)
    parts = allot(found.photos, _wei(give.tokens))
    with opener(where) as session:
        datatoken = _datatoken(session, token)
        _show_parts(found, parts)
        with session.journal("shares", datatoken) as journal:
            sharing = Sharing(journal, datatoken, say)
            left = sharing.left(parts, give.number, how)
            if left:
                _confirm_gift(session, how, datatoken, parts, left)
            else:
                say(f"round {give.number}: everything was already signed, nothing new is given; see --round")
            sharing.distribute(parts, give.number, how)
            used = sum(journal.gas_used.values())
        given = money(sum(parts.values()), "datatokens", digits=DIGITS)
        click.echo(columns([("datatoken", datatoken), ("given", given), ("gas", f"{used:,}")]))


def _confirm_gift(
    session: Session, how: str, datatoken: str, parts: Mapping[str, int], left: Mapping[str, int]
) -> None:
    chain = session.chain
    if how == "transfer":
        check_funds(chain, [amount_of(chain, datatoken, sum(left.values()))])
    wallet, part = next(iter(left.items()))
    call = getattr(chain.contract("ERC20Template", datatoken).functions, how)(wallet, part)
    gas = chain.estimate_gas(call, action=how) * len(left)
    done = len(parts) - len(left)
    goes_on = f", {done} of {len(parts)} wallets have theirs" if done else ""
    confirm_plan(session, f"{how} datatokens {datatoken}{goes_on}", {f"{len(left)} transactions": gas})


@shares.command()
@_file
@takes(token=TokenOptions)
@click.option("--payment-token", metavar="ADDRESS", help="The buyers' token: divided before shares change.")
@takes(where=SessionOptions)
@click.pass_obj
def splitter(
    opener: Opener, contributions: Path, token: TokenOptions, payment_token: str | None, where: SessionOptions
) -> None:
    """Makes a splitter the payment collector, or brings its shares up to date."""
    found = read_contributions(contributions)
    with opener(where) as session:
        datatoken = _datatoken(session, token)
        _show_parts(found, None)
        with session.journal("shares", datatoken) as journal:
            sharing = Sharing(journal, datatoken, say)
            confirm_plan(session, f"splitter for datatoken {datatoken}", sharing.splitter_gas(found.photos))
            address = sharing.set_splitter(found.photos, payment_token)
        click.echo(columns([("datatoken", datatoken), ("splitter", address)]))


@shares.command("release")
@click.option("--splitter", "splitter_address", required=True, metavar="ADDRESS")
@click.option("--payment-token", required=True, metavar="ADDRESS", help="The token that buyers paid with.")
@takes(token=TokenOptions, where=SessionOptions)
@click.pass_obj
def release_command(
    opener: Opener, splitter_address: str, payment_token: str, token: TokenOptions, where: SessionOptions
) -> None:
    """Collects the proceeds and divides them; anybody may do this."""
    if token.datatoken is None:
        raise SettingError("name the datatoken with --datatoken")
    with opener(where) as session:
        paid = amount_of(session.chain, _address(payment_token), 0)
        splitter, datatoken = _address(splitter_address), _address(token.datatoken)
        confirm_plan(
            session,
            f"divide the {paid.symbol} that the splitter {splitter} holds",
            release_gas(session.chain, splitter, datatoken, paid.token),
        )
        divided = release(session.chain, splitter, datatoken, paid.token, say)
        click.echo(f"divided {money(divided, paid.symbol, paid.decimals)}")


def _datatoken(session: Session, token: TokenOptions) -> str:
    if token.datatoken is not None:
        return _address(token.datatoken)
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
        raise SettingError(f"{text} is the zero address, which belongs to nobody")
    return address


def _wei(tokens: str) -> int:
    try:
        return units_of(tokens)
    except ValueError as error:
        raise SettingError(f"--tokens: {error}") from error


def _show_parts(found: Contributions, parts: Mapping[str, int] | None) -> None:
    def given(units: int) -> str:
        return f", {money(units, 'datatokens', digits=DIGITS)}"

    count = sum(found.photos.values())
    rows = [
        (wallet, f"{counted(photos, 'photo')}, {photos / count:.2%}{given(parts[wallet]) if parts else ''}")
        for wallet, photos in found.photos.items()
    ]
    rows.append(("total", f"{counted(count, 'photo')}{given(sum(parts.values())) if parts else ''}"))
    click.echo(columns(rows))
    for wallet in found.without:
        say(f"left out, without an accepted photo: {wallet}")


main = entry(shares)
