"""Contributors own the data set together: shares by the number of their accepted photos.

Two ways, both with integer arithmetic whose parts sum up exactly:

* datatokens: each contributor gets some, minted or from the account's own; one datatoken is one use.
* a splitter: Ocean's Splitter contract becomes the payment collector, and divides what buyers pay.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..chain.connection import Chain, event_of
from ..chain.journal import Journal
from ..errors import SettingError
from .ddo import checksum_address

__all__ = [
    "MOST_PAYEES",
    "Contributions",
    "allot",
    "distribute",
    "read_contributions",
    "release",
    "set_splitter",
]

MOST_PAYEES = 200
"""A splitter pays everybody in one transaction: about 60,000 gas a payee, of 30 million in a block at most.

Half of a block, so that it also goes through on a busy chain.
"""

_PAYEES_AT_FIRST = 100
"""Named in the constructor, about 75,000 gas each; the others are added one by one."""


@dataclass(frozen=True)
class Contributions:
    """Accepted photos.

    Attributes:
        photos: by checksum address of the wallet, more than 0 each, in the order of the addresses.
        without: wallets in the file that have none.
    """

    photos: dict[str, int]
    without: tuple[str, ...]


def read_contributions(file: Path) -> Contributions:
    """Reads a CSV file with the columns `wallet` and `photos` or `manifest`.

    A manifest is the path, relative to the file, of a manifest.json that UnionVeil wrote over a contributor's
    photos: every output counts, rejected photos do not. A wallet may have several rows.

    Raises:
        SettingError: names every row that is wrong.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"the contributions {file} cannot be read: {error}") from error
    rows = csv.DictReader(text.splitlines())
    columns = set(rows.fieldnames or ())
    if "wallet" not in columns or not columns & {"photos", "manifest"}:
        raise SettingError(
            f"{file} needs the columns wallet and photos, or wallet and manifest, in its first line"
        )
    photos: dict[str, int] = {}
    issues = []
    for row in rows:
        try:
            wallet = checksum_address((row["wallet"] or "").strip())
            photos[wallet] = photos.get(wallet, 0) + _count(row, file.parent)
        except ValueError as error:  # noqa: PERF203 - all rows are to be named
            issues.append(f"line {rows.line_num}: {error}")
    if issues:
        raise SettingError(f"{file} is not right: {'; '.join(issues)}")
    counted = {wallet: number for wallet, number in sorted(photos.items()) if number}
    if not counted:
        raise SettingError(f"{file} names no accepted photo")
    return Contributions(counted, tuple(sorted(wallet for wallet, number in photos.items() if not number)))


def _count(row: Mapping[str, str | None], folder: Path) -> int:
    number, manifest = (row.get("photos") or "").strip(), (row.get("manifest") or "").strip()
    if bool(number) == bool(manifest):
        raise ValueError("either photos or manifest must be given")
    if number:
        if not number.isdecimal():
            raise ValueError(f"photos must be a whole number, got {number!r}")
        return int(number)
    try:
        items = json.loads((folder / manifest).read_text("utf-8"))["items"]
        return sum(item["status"] == "redacted" for item in items)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} is no manifest of UnionVeil ({type(error).__name__})") from error


def allot(photos: Mapping[str, int], total: int) -> dict[str, int]:
    """Divides a whole into whole parts by the method of the largest remainder.

    Args:
        photos: by wallet, more than 0 each.
        total: what is divided, e.g. wei.

    Returns:
        Parts by wallet whose sum is `total`; equal contributions differ by 1 at most.
    """
    count = sum(photos.values())
    parts = {wallet: total * number // count for wallet, number in photos.items()}
    left = total - sum(parts.values())
    largest = sorted(photos, key=lambda wallet: (-(total * photos[wallet] % count), wallet))
    for wallet in largest[:left]:
        parts[wallet] += 1
    return parts


def distribute(
    chain: Chain,
    datatoken: str,
    amounts: Mapping[str, int],
    journal: Journal,
    *,
    round_number: int,
    how: Literal["mint", "transfer"] = "mint",
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Gives datatokens to wallets, one transaction each; a second call goes on where the first stopped.

    Args:
        chain: where, and who mints.
        datatoken: its address.
        amounts: smallest units by wallet.
        journal: of the shares, entered.
        round_number: of this distribution; the same round never pays twice.
        how: mint new ones, or transfer the account's own.
        say: told what happens.

    Raises:
        PublishError: see its tree.
    """
    token = chain.contract("ERC20Template", datatoken).functions
    for number, (wallet, amount) in enumerate(amounts.items(), 1):
        if not amount:
            continue
        name = f"round {round_number}: {wallet}"
        if journal.result(name) is None:
            say(f"{number} of {len(amounts)}: {wallet}")
        journal.transact(
            name,
            {"datatoken": datatoken, "amount": str(amount), "how": how},
            lambda wallet=wallet, amount=amount: getattr(token, how)(wallet, amount),  # type: ignore[misc]
            lambda _, amount=amount: {"amount": str(amount)},  # type: ignore[misc]
        )


def set_splitter(
    chain: Chain,
    datatoken: str,
    photos: Mapping[str, int],
    journal: Journal,
    *,
    payment_token: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Deploys the splitter and makes it the datatoken's payment collector, or brings its shares up to date.

    Args:
        chain: where; the account must own the data NFT.
        datatoken: its address.
        photos: shares by wallet.
        journal: of the shares, entered.
        payment_token: what buyers pay with: divided by the old shares before they change.
        say: told what happens.

    Returns:
        Address of the splitter.

    Raises:
        SettingError: more payees than a splitter can pay at once.
        PublishError: see its tree.
    """
    if len(photos) > MOST_PAYEES:
        raise SettingError(
            f"a splitter pays {MOST_PAYEES} wallets at most in one transaction, these are {len(photos)}; "
            "give them datatokens instead"
        )
    wallets = list(photos)
    first = wallets[:_PAYEES_AT_FIRST]
    made = journal.result("splitter: deploy")
    if made is None:
        say("deploying the splitter")
        made = journal.transact(
            "splitter: deploy",
            {"wallets": first, "shares": [photos[wallet] for wallet in first]},
            lambda: chain.constructor("Splitter", first, [photos[wallet] for wallet in first]),
            lambda receipt: {"address": str(receipt["contractAddress"])},
        )
    address = str(made["address"])
    splitter = chain.contract("Splitter", address)
    current = {
        wallet: splitter.functions.shares(wallet).call() for wallet in splitter.functions.getPayees().call()
    }
    if current != dict(photos) and payment_token and journal.result("splitter: collect") is not None:
        release(chain, address, datatoken, payment_token, say)
    # The contract itself says what is left to do, and refuses to add anybody twice: these need no journal.
    for wallet, share in photos.items():
        if wallet not in current:
            say(f"adding {wallet}")
            chain.send(splitter.functions.addPayee(wallet, share), action=f"add {wallet}")
        elif current[wallet] != share:
            say(f"changing the share of {wallet}")
            chain.send(splitter.functions.adjustShare(wallet, share), action=f"change {wallet}")
    for wallet in current.keys() - photos.keys():
        say(f"removing {wallet}")
        chain.send(splitter.functions.removePayee(wallet), action=f"remove {wallet}")
    token = chain.contract("ERC20Template", datatoken)
    if token.functions.getPaymentCollector().call() != address:
        say("making it the payment collector")
        chain.send(token.functions.setPaymentCollector(address), action="set the payment collector")
    journal.run("splitter: collect", {"splitter": address}, lambda: {"address": address})
    return address


def release(
    chain: Chain, splitter: str, datatoken: str, token: str, say: Callable[[str], None] = lambda _: None
) -> int:
    """Collects what the exchanges of the datatoken earned and divides all that the splitter holds.

    Anybody may do this; the receivers are fixed.

    Args:
        chain: where, and who pays the gas.
        splitter: address of the splitter.
        datatoken: whose exchanges are emptied.
        token: address of what buyers paid with.
        say: told what happens.

    Returns:
        Smallest units that were divided; the contract keeps one.
    """
    for exchange_address, exchange_id in (
        chain.contract("ERC20Template", datatoken).functions.getFixedRates().call()
    ):
        exchange = chain.contract("FixedRateExchange", exchange_address)
        facts = exchange.functions.getExchange(exchange_id).call()
        base_token, earned = facts[3], facts[10]
        if earned and base_token.lower() == token.lower():
            say("collecting what the exchange earned")
            chain.send(exchange.functions.collectBT(exchange_id, earned), action="collect")
    contract = chain.contract("Splitter", splitter)
    held = chain.contract("MockERC20Decimals", token).functions.balanceOf(splitter).call()
    if held <= 1:
        return 0
    say("dividing what the splitter holds")
    receipt = chain.send(contract.functions.release(token), action="divide")
    return int(event_of(contract, "PaymentReleased", receipt)["amount"])
