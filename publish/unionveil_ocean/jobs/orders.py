"""Orders an asset: one datatoken from its dispenser or exchange, paid into the asset's contract.

The chain shows which steps are missing, and the journal holds every transaction before it is sent, so nothing
is bought or ordered twice. Contracts: Dispenser, FixedRateExchange, ERC20Template (template 1) and
ERC20TemplateEnterprise (templates 2 and 4, which buy and order in one transaction) of ocean-contracts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..assets.ddo import DDO, Service
from ..chain.addresses import ZERO_ADDRESS
from ..chain.connection import Call, Chain, Contract
from ..chain.journal import Journal
from ..chain.tokens import allowance, amount_of, approve, balance_of
from ..errors import OrderError
from ..money import TOKEN_WEI, Amount, total
from ..node.answers import Order, ProviderFee

_ONE_STEP_TEMPLATES = frozenset({2, 4})

GAS = {
    "approve": 60_000,
    "dispenser": 200_000,
    "exchange": 300_000,
    "order": 300_000,
    "order in one": 500_000,
    "reuse": 150_000,
}
"""Upper bounds on the gas of each step, above measurements on the embedded chain with ocean-contracts 3.1.

Steps that depend on earlier ones cannot be estimated."""

_NO_FEE = (ZERO_ADDRESS, ZERO_ADDRESS, 0)
"""Market fee (receiver, token, amount): we charge none."""


@dataclass(frozen=True)
class Source:
    """The source of one datatoken.

    Attributes:
        kind: "owned" (the account has one), "dispenser" or "exchange".
        contract: of the dispenser or exchange.
        exchange_id: of the exchange, 32 bytes.
        price: the exchange's maximum price; None if it is free.
        in_one: whether the datatoken's contract buys and orders in one transaction.
    """

    kind: str
    contract: str = ZERO_ADDRESS
    exchange_id: bytes = b""
    price: Amount | None = None
    in_one: bool = False

    def __str__(self) -> str:
        if self.price is not None:
            return f"one datatoken from its exchange for {self.price}"
        return {
            "owned": "one datatoken that the account has",
            "dispenser": "one datatoken from its dispenser, free",
        }[self.kind]


@dataclass(frozen=True)
class OrderPlan:
    """The planned order of an asset.

    Attributes:
        role: "algorithm" or "data set"; names the journal's steps.
        did: of the asset.
        datatoken: its contract.
        service_id: of the service that is used.
        service_index: number of the service in the DDO.
        consumer: for whom the order is made out: the environment.
        is_begun: whether an earlier run has signed the order, which is then completed.
        valid: transaction of an order that is made and still valid; nothing remains to be done then.
        reused: transaction of an order that becomes valid again once the provider's fee is paid.
        source: of the datatoken; None if none is needed.
        provider_fee: signed by the node; None if the order is still valid.
        fees: provider's and market's, on top of the price.
    """

    role: str
    did: str
    datatoken: str
    service_id: str
    service_index: int
    consumer: str
    is_begun: bool = False
    valid: str | None = None
    reused: str | None = None
    source: Source | None = None
    provider_fee: ProviderFee | None = None
    fees: tuple[Amount, ...] = ()

    @property
    def costs(self) -> tuple[Amount, ...]:
        """Total that the account pays, by token."""
        price = (self.source.price,) if self.source and self.source.price else ()
        return total((*price, *self.fees))

    @property
    def gas(self) -> int:
        """Upper bound on the gas of its transactions; see `GAS`."""
        if self.valid:
            return 0
        source = self.source
        approvals = len({amount.token for amount in self.fees}) + bool(source and source.price)
        steps = ["approve"] * approvals
        if source is not None and source.kind != "owned" and not source.in_one:
            steps.append(source.kind)
        steps.append("reuse" if self.reused else "order in one" if source and source.in_one else "order")
        return sum(GAS[step] for step in steps)

    def describe(self) -> str:
        """In a few words."""
        if self.valid:
            return f"the order {self.valid} is still valid"
        if self.is_begun:
            return "the order that an earlier run has sent"
        if self.reused:
            return f"the order {self.reused} is used again"
        return str(self.source)


def find_source(chain: Chain, datatoken: str) -> Source:
    """The cheapest source of one datatoken.

    Args:
        chain: with the account that buys.
        datatoken: address of its contract.

    Raises:
        OrderError: it is neither sold nor given to this account.
    """
    token = chain.contract("ERC20Template", datatoken)
    if balance_of(chain, datatoken) >= TOKEN_WEI:
        return Source("owned")
    in_one = int(chain.read(token.functions.getId())) in _ONE_STEP_TEMPLATES
    buyers = {ZERO_ADDRESS, chain.address, *((token.address,) if in_one else ())}
    for contract in chain.read(token.functions.getDispensers()):
        dispenser = chain.contract("Dispenser", contract).functions
        active, _, is_minter, most, _, stock, swapper = chain.read(dispenser.status(token.address))
        if active and swapper in buyers and most >= TOKEN_WEI and (is_minter or stock >= TOKEN_WEI):
            return Source("dispenser", contract, in_one=in_one)
    offers = list(_exchanges(chain, token, buyers, in_one))
    if not offers:
        raise OrderError(
            f"nobody gives away or sells the datatoken {datatoken} to this account now; ask its publisher"
        )
    return min(offers, key=lambda offer: offer.price.units if offer.price else 0)


def _exchanges(chain: Chain, token: Contract, buyers: set[str], in_one: bool) -> Iterator[Source]:
    for contract, exchange_id in chain.read(token.functions.getFixedRates()):
        exchange = chain.contract("FixedRateExchange", contract).functions
        facts = chain.read(exchange.getExchange(exchange_id))
        base, is_active, supply, with_mint = facts[3], facts[6], facts[7], facts[11]
        if not is_active or not (with_mint or supply >= TOKEN_WEI):
            continue
        if chain.read(exchange.getAllowedSwapper(exchange_id)) not in buyers:
            continue
        price = int(chain.read(exchange.calcBaseInGivenOutDT(exchange_id, TOKEN_WEI, 0))[0])
        yield Source("exchange", contract, exchange_id, amount_of(chain, base, price), in_one)


def order_step(role: str) -> str:
    """Name of the step that orders, in the journal."""
    return f"order the {role}"


def plan_order(journal: Journal, role: str, ddo: DDO, service: Service, answer: Order) -> OrderPlan:
    """Plans the order of an asset.

    Args:
        journal: of the job; steps that it has begun are not planned again. Its chain's account pays.
        role: "algorithm" or "data set".
        ddo: of the asset.
        service: to use.
        answer: of the node about the asset.

    Raises:
        OrderError: it is not sold, the node does not accept this job's order, or its answer is about
            another asset.
    """
    base = _checked(journal.chain, role, ddo, service, answer)
    fee = answer.provider_fee
    made = journal.result(order_step(role))
    if made is not None:
        if answer.valid_order is None:
            raise OrderError(
                f"the node does not accept the order {made['order']} that this job has made of the {role}: "
                "it has expired, or the node has not seen it yet; nothing was signed; run the same command "
                "again in a minute, or with --new, which orders again"
            )
        return replace(base, valid=str(made["order"]))
    if journal.begun(order_step(role)):
        return replace(base, is_begun=True, reused=answer.valid_order, provider_fee=fee)
    if fee is None:
        if answer.valid_order is None:
            raise OrderError(f"the node asks for an order of {ddo.id} and names no fee; nothing was signed")
        return replace(base, valid=answer.valid_order)
    if answer.valid_order:
        fees = _fees(journal.chain, fee)
        return replace(base, reused=answer.valid_order, provider_fee=fee, fees=fees)
    source = find_source(journal.chain, base.datatoken)
    fees = _fees(journal.chain, fee, base.datatoken)
    return replace(base, source=source, provider_fee=fee, fees=fees)


def _checked(chain: Chain, role: str, ddo: DDO, service: Service, answer: Order) -> OrderPlan:
    if answer.did not in (None, ddo.id) or answer.consumer_address is None:
        raise OrderError(f"the node's answer about {ddo.id} does not fit; nothing was signed")
    datatoken = chain.web3.to_checksum_address(service.datatoken_address)
    if answer.datatoken and answer.datatoken.lower() != datatoken.lower():
        raise OrderError(f"the node names another datatoken for {ddo.id} than its DDO; nothing was signed")
    return OrderPlan(
        role=role,
        did=ddo.id,
        datatoken=datatoken,
        service_id=service.id,
        service_index=ddo.services.index(service),
        consumer=chain.web3.to_checksum_address(answer.consumer_address),
    )


def _fees(chain: Chain, fee: ProviderFee, datatoken: str | None = None) -> tuple[Amount, ...]:
    """The provider's fee, and the market's if a datatoken is bought."""
    due = [(fee.provider_fee_token, fee.provider_fee_amount)]
    if datatoken is not None:
        _, token, units = chain.read(
            chain.contract("ERC20Template", datatoken).functions.getPublishingMarketFee()
        )
        due.append((token, int(units)))
    return tuple(amount_of(chain, token, units) for token, units in due if units)


def carry_out(plan: OrderPlan, journal: Journal) -> str:
    """Makes the remaining purchase and order.

    Args:
        plan: from `plan_order`.
        journal: of this job; its chain's account pays.

    Returns:
        The transaction of the order, "0x...".

    Raises:
        TransactionFailed: refused or reverted; earlier steps stand and are not repeated.
    """
    if plan.valid:
        return plan.valid
    source, allowed = plan.source, list(plan.fees)
    if source is not None and source.kind != "owned" and not source.in_one:
        _buy(plan, source, journal)
    if source is not None and source.in_one and source.price:
        allowed.append(source.price)
    for amount in total(allowed):
        _allow(plan, amount, plan.datatoken, journal)
    done = journal.transact(
        order_step(plan.role),
        [plan.datatoken, plan.service_index, plan.consumer],
        lambda: _order_call(plan, journal.chain),
        lambda receipt: {"order": "0x" + bytes(receipt["transactionHash"]).hex()},
    )
    return str(done["order"])


def _buy(plan: OrderPlan, source: Source, journal: Journal) -> None:
    chain = journal.chain
    if source.price is not None:
        _allow(plan, source.price, source.contract, journal)

    def call() -> Call:
        if source.price is None:
            dispenser = chain.contract("Dispenser", source.contract)
            return dispenser.functions.dispense(plan.datatoken, TOKEN_WEI, chain.address)
        exchange = chain.contract("FixedRateExchange", source.contract)
        return exchange.functions.buyDT(source.exchange_id, TOKEN_WEI, source.price.units, ZERO_ADDRESS, 0)

    journal.transact(f"buy the {plan.role}'s datatoken", [plan.datatoken], call)


def _allow(plan: OrderPlan, amount: Amount, spender: str, journal: Journal) -> None:
    if allowance(journal.chain, amount.token, spender) >= amount.units:
        return
    journal.transact(
        f"let {spender} take {amount} for the {plan.role}",
        [amount.token, spender, str(amount.units)],
        lambda: approve(journal.chain, amount, spender),
    )


def _order_call(plan: OrderPlan, chain: Chain) -> Call:
    source = plan.source
    fee = plan.provider_fee.as_tuple() if plan.provider_fee else ()
    if plan.reused:
        token = chain.contract("ERC20Template", plan.datatoken)
        return token.functions.reuseOrder(bytes.fromhex(plan.reused[2:]), fee)
    if source is None or not source.in_one or source.kind == "owned":
        token = chain.contract("ERC20Template", plan.datatoken)
        return token.functions.startOrder(plan.consumer, plan.service_index, fee, _NO_FEE)
    token = chain.contract("ERC20TemplateEnterprise", plan.datatoken)
    order = (plan.consumer, plan.service_index, fee, _NO_FEE)
    if source.price is None:
        return token.functions.buyFromDispenserAndOrder(order, source.contract)
    purchase = (source.contract, source.exchange_id, source.price.units, 0, ZERO_ADDRESS)
    return token.functions.buyFromFreAndOrder(order, purchase)


class OrderBook:
    """Orders of earlier jobs, which the next job may use while they are valid. It holds no secrets.

    Losing the file only costs new orders; the node decides whether an order is still valid.

    Args:
        path: of the file, one order per line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, chain: Chain, datatoken: str, service_id: str, consumer: str) -> str | None:
        """The last order of this account; None if there is no such order."""
        key = _order_key(chain, datatoken, service_id, consumer)
        found = None
        with suppress(OSError, UnicodeDecodeError):
            for line in self._path.read_text("utf-8").splitlines():
                with suppress(ValueError, KeyError, TypeError):  # the last line may be incomplete
                    entry = json.loads(line)
                    found = str(entry["order"]) if entry["key"] == key else found
        return found

    def add(self, chain: Chain, datatoken: str, service_id: str, consumer: str, order: str) -> None:
        """Records an order, if the file can be written."""
        if self.find(chain, datatoken, service_id, consumer) == order:
            return
        entry = {"key": _order_key(chain, datatoken, service_id, consumer), "order": order}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8") as file:
                file.write("\n" + json.dumps(entry))


def _order_key(chain: Chain, datatoken: str, service_id: str, consumer: str) -> list[str]:
    return [str(chain.chain_id), chain.address, datatoken.lower(), service_id, consumer.lower()]
