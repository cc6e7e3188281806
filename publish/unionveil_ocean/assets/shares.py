"""Contributors own the data set together, in proportion to their accepted photos.

There are two ways, both in integer arithmetic whose parts add up exactly:

* datatokens: each contributor gets some, minted or from the account's own; one datatoken pays for one use.
* a splitter: Ocean's Splitter contract becomes the payment collector, and divides what buyers pay.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import ValidationError

from unionveil.runs.schema import Manifest, RedactedRecord
from unionveil.text import printable

from ..chain.addresses import checksum_address
from ..chain.connection import Call, Chain, Contract, event_of
from ..chain.journal import Journal
from ..chain.tokens import balance_of
from ..errors import SettingError
from ..jsjson import JsonObject

Gift: TypeAlias = Literal["mint", "transfer"]
"""How contributors get datatokens: new ones, or the account's own."""

MOST_PAYEES = 200
"""A splitter pays everybody in one transaction: about 60,000 gas per payee, of 30 million in a block at most.

Half of a block, so that it also goes through on a busy chain.
"""

_MOST_DIGITS = 15

_RELEASE_GAS, _PAYEE_GAS = 100_000, 75_000
"""Gas of dividing, and per payee. It cannot be estimated before the earnings are collected."""

_PAYEES_AT_FIRST = 100
"""Named in the constructor, about 75,000 gas each; the others are added one by one."""


@dataclass(frozen=True)
class Contributions:
    """Accepted photos.

    Attributes:
        photos: by checksum address of the wallet, more than 0 each, in the order of the addresses.
        without: wallets in the file without an accepted photo.
    """

    photos: dict[str, int]
    without: tuple[str, ...]


def read_contributions(file: Path) -> Contributions:
    """Reads a CSV file with the columns `wallet` and `photos` or `manifest`.

    A manifest is the path, relative to the file, of a manifest.json that UnionVeil wrote over a contributor's
    photos: every output counts, rejected photos do not. A wallet may have several rows.

    Raises:
        SettingError: the message lists every wrong row.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"the contributions {file} cannot be read: {error}") from error
    rows = csv.DictReader(text.splitlines())
    try:
        numbered = [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise SettingError(f"{file} is not valid: line {rows.line_num + 1}: {error}") from error
    columns = set(rows.fieldnames or ())
    if "wallet" not in columns or not columns & {"photos", "manifest"}:
        raise SettingError(
            f"{file} needs the columns wallet and photos, or wallet and manifest, in its first line"
        )
    photos: dict[str, int] = {}
    issues = []
    for line, row in numbered:
        try:
            wallet = checksum_address((row["wallet"] or "").strip())
            photos[wallet] = photos.get(wallet, 0) + _count(row, file.parent)
        except ValueError as error:  # noqa: PERF203 - all rows are to be named
            issues.append(f"line {line}: {error}")
    if issues:
        raise SettingError(f"{file} is not valid: {'; '.join(issues)}")
    counted = {wallet: number for wallet, number in sorted(photos.items()) if number}
    if not counted:
        raise SettingError(f"{file} names no accepted photo")
    return Contributions(counted, tuple(sorted(wallet for wallet, number in photos.items() if not number)))


def _count(row: Mapping[str, str | None], folder: Path) -> int:
    number, manifest = (row.get("photos") or "").strip(), (row.get("manifest") or "").strip()
    if bool(number) == bool(manifest):
        raise ValueError("either photos or manifest must be given")
    if number:
        if not number.isdecimal() or len(number) > _MOST_DIGITS:
            raise ValueError(f"photos must be a whole number, got {printable(number)}")
        return int(number)
    try:
        items = Manifest.model_validate_json((folder / manifest).read_bytes()).items
    except (OSError, ValidationError) as error:
        raise ValueError(f"{manifest} is not a manifest of UnionVeil ({type(error).__name__})") from error
    return sum(isinstance(item, RedactedRecord) for item in items)


def allot(photos: Mapping[str, int], total: int) -> dict[str, int]:
    """Divides an integer into integer parts by the largest-remainder method.

    Args:
        photos: by wallet, each more than 0.
        total: to divide, e.g. wei.

    Returns:
        Parts by wallet, which add up to `total`; those of equal contributions differ by at most 1.
    """
    count = sum(photos.values())
    parts = {wallet: total * number // count for wallet, number in photos.items()}
    left = total - sum(parts.values())
    largest = sorted(photos, key=lambda wallet: (-(total * photos[wallet] % count), wallet))
    for wallet in largest[:left]:
        parts[wallet] += 1
    return parts


@dataclass(frozen=True)
class Sharing:
    """Divides the income of one datatoken. After a failure, every method can be called again and continues.

    Attributes:
        journal: of the shares, entered; its chain's account signs.
        datatoken: its address.
        report: called with a line for each event.
    """

    journal: Journal
    datatoken: str
    report: Callable[[str], None] = lambda _: None

    @property
    def _chain(self) -> Chain:
        return self.journal.chain

    def left(self, amounts: Mapping[str, int], round_number: int, how: Gift) -> dict[str, int]:
        """The part of a distribution that is not signed yet, by wallet; see `distribute`.

        Raises:
            SettingError: the part of the round that is signed belongs to another distribution.
        """
        prefix = _step(round_number)
        signed = [name.removeprefix(prefix) for name in self.journal.steps if name.startswith(prefix)]
        signed = [wallet for wallet in signed if self.journal.begun(_step(round_number, wallet))]
        for wallet in signed:
            amount = amounts.get(wallet, 0)
            if not amount or not self.journal.is_of(_step(round_number, wallet), self._gift(amount, how)):
                raise SettingError(
                    f"round {round_number} was begun with other contributions, --tokens or command: {wallet} "
                    "has another part in it; nothing was signed; repeat that command as it was, or begin "
                    f"another round with --round {self._free_round()}"
                )
        return {wallet: amount for wallet, amount in amounts.items() if amount and wallet not in signed}

    def _gift(self, amount: int, how: Gift) -> JsonObject:
        return {"datatoken": self.datatoken, "amount": str(amount), "how": how}

    def _free_round(self) -> int:
        """The number of a round that was not begun."""
        number = 1
        while any(name.startswith(_step(number)) for name in self.journal.steps):
            number += 1
        return number

    def distribute(self, amounts: Mapping[str, int], round_number: int, how: Gift = "mint") -> None:
        """Gives datatokens to wallets, one transaction each.

        Args:
            amounts: smallest units by wallet.
            round_number: of this distribution; the same round never pays twice.
            how: mint new ones, or transfer the account's own.

        Raises:
            SettingError: see `left`.
        """
        self.left(amounts, round_number, how)
        token = self._chain.contract("ERC20Template", self.datatoken).functions
        for number, (wallet, amount) in enumerate(amounts.items(), 1):
            if not amount:
                continue
            name = _step(round_number, wallet)
            if self.journal.result(name) is None:
                self.report(f"{number} of {len(amounts)}: {wallet}")
            call = getattr(token, how)(wallet, amount)
            self.journal.transact(
                name,
                self._gift(amount, how),
                lambda call=call: call,  # type: ignore[misc]
                lambda _, amount=amount: {"amount": str(amount)},  # type: ignore[misc]
            )

    def set_splitter(self, photos: Mapping[str, int], payment_token: str | None = None) -> str:
        """Deploys the splitter and makes it the payment collector, or brings its shares up to date.

        Args:
            photos: shares by wallet.
            payment_token: of the buyers; its balance is divided by the old shares before they change.

        Returns:
            Address of the splitter.

        Raises:
            SettingError: more payees than a splitter can pay at once.
            PublishError: see its tree.
        """
        _check_payees(photos)
        address = self._deployed(photos)
        splitter = self._chain.contract("Splitter", address)
        current = self._current(splitter)
        if current != dict(photos) and payment_token and self.journal.result("splitter: collect") is not None:
            release(self._chain, address, self.datatoken, payment_token, self.report)
        self._adjust(splitter, current, photos)
        token = self._chain.contract("ERC20Template", self.datatoken)
        if self._chain.read(token.functions.getPaymentCollector()) != address:
            self.report("making it the payment collector")
            call = token.functions.setPaymentCollector(address)
            self._chain.send(call, action="set the payment collector")
        self.journal.record("splitter: collect", {"splitter": address}, {"address": address})
        return address

    def splitter_gas(self, photos: Mapping[str, int]) -> dict[str, int]:
        """Gas of the transactions of `set_splitter`, by step; an upper bound for those that depend on others.

        Raises:
            SettingError: see `set_splitter`.
        """
        _check_payees(photos)
        chain, token = self._chain, self._chain.contract("ERC20Template", self.datatoken)
        made = self.journal.result("splitter: deploy")
        collector = str(made["address"]) if made else chain.address
        gas = {}
        if made is None:
            wallets = list(photos)[:_PAYEES_AT_FIRST]
            call = chain.constructor("Splitter", wallets, [photos[wallet] for wallet in wallets])
            gas["deploy"] = chain.estimate_gas(call, action="deploy the splitter")
            changes = len(photos) - len(wallets)
        else:
            current = self._current(chain.contract("Splitter", collector))
            changes = len(current.items() ^ dict(photos).items())
        if changes:
            gas["change the payees, at most"] = changes * _PAYEE_GAS
        if made is None or chain.read(token.functions.getPaymentCollector()) != collector:
            collect = token.functions.setPaymentCollector(collector)
            gas["set the payment collector"] = chain.estimate_gas(collect, action="set the payment collector")
        return gas

    def _current(self, splitter: Contract) -> dict[str, int]:
        payees = self._chain.read(splitter.functions.getPayees())
        return {wallet: self._chain.read(splitter.functions.shares(wallet)) for wallet in payees}

    def _deployed(self, photos: Mapping[str, int]) -> str:
        made = self.journal.result("splitter: deploy")
        if made is None:
            self.report("deploying the splitter")
            wallets = list(photos)[:_PAYEES_AT_FIRST]
            shares = [photos[wallet] for wallet in wallets]
            made = self.journal.transact(
                "splitter: deploy",
                {"wallets": wallets, "shares": shares},
                lambda: self._chain.constructor("Splitter", wallets, shares),
                lambda receipt: {"address": str(receipt["contractAddress"])},
            )
        return str(made["address"])

    def _adjust(self, splitter: Contract, current: Mapping[str, int], photos: Mapping[str, int]) -> None:
        """Needs no journal: the contract shows which payees are missing, and refuses to add one twice."""
        functions, chain = splitter.functions, self._chain
        for wallet, share in photos.items():
            if wallet not in current:
                self.report(f"adding {wallet}")
                chain.send(functions.addPayee(wallet, share), action=f"add {wallet}")
            elif current[wallet] != share:
                self.report(f"changing the share of {wallet}")
                chain.send(functions.adjustShare(wallet, share), action=f"change {wallet}")
        for wallet in current.keys() - photos.keys():
            self.report(f"removing {wallet}")
            chain.send(functions.removePayee(wallet), action=f"remove {wallet}")


def _step(round_number: int, wallet: str = "") -> str:
    """The journal's name of a gift; without a wallet, how all of a round's begin."""
    return f"round {round_number}: {wallet}"


def _check_payees(photos: Mapping[str, int]) -> None:
    if len(photos) > MOST_PAYEES:
        raise SettingError(
            f"a splitter pays {MOST_PAYEES} wallets at most in one transaction, these are {len(photos)}; "
            "give them datatokens instead"
        )


def release(
    chain: Chain, splitter: str, datatoken: str, token: str, report: Callable[[str], None] = lambda _: None
) -> int:
    """Collects the earnings of the datatoken's exchanges and divides the splitter's balance.

    Anybody may do this; the receivers are fixed.

    Args:
        chain: where; its account pays the gas.
        splitter: address of the splitter.
        datatoken: whose exchanges are emptied.
        token: address of the token that buyers paid with.
        report: called with a line for each event.

    Returns:
        The amount divided, in smallest units; the contract keeps one unit.
    """
    for call in _collections(chain, datatoken, token):
        report("collecting what the exchange earned")
        chain.send(call, action="collect")
    if balance_of(chain, token, splitter) <= 1:
        return 0
    report("dividing what the splitter holds")
    contract = chain.contract("Splitter", splitter)
    receipt = chain.send(contract.functions.release(token), action="divide")
    return int(event_of(contract, "PaymentReleased", receipt)["amount"])


def release_gas(chain: Chain, splitter: str, datatoken: str, token: str) -> dict[str, int]:
    """Gas of the transactions of `release`, by step; see there for the arguments."""
    calls = _collections(chain, datatoken, token)
    gas = {"collect": sum(chain.estimate_gas(call, action="collect") for call in calls)} if calls else {}
    payees = chain.read(chain.contract("Splitter", splitter).functions.getPayees())
    return {**gas, "divide, at most": _RELEASE_GAS + _PAYEE_GAS * len(payees)}


def _collections(chain: Chain, datatoken: str, token: str) -> list[Call]:
    calls: list[Call] = []
    for address, exchange_id in chain.read(
        chain.contract("ERC20Template", datatoken).functions.getFixedRates()
    ):
        exchange = chain.contract("FixedRateExchange", address)
        facts = chain.read(exchange.functions.getExchange(exchange_id))
        base_token, earned = facts[3], facts[10]
        if earned and base_token.lower() == token.lower():
            calls.append(exchange.functions.collectBT(exchange_id, earned))
    return calls
