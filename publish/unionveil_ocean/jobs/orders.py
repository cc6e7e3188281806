"""Ordering an asset: one datatoken from its dispenser or exchange, paid into the asset's contract.

The chain is asked what is still to be done, and the journal holds every transaction before it is sent, so
nothing is bought or ordered twice. Contracts: Dispenser, FixedRateExchange, ERC20Template (template 1) and
ERC20TemplateEnterprise (templates 2 and 4, which buy and order in one transaction) of ocean-contracts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..assets.ddo import DDO
from ..assets.pricing import TOKEN_WEI
from ..chain.connection import Call, Chain
from ..chain.contracts import ZERO_ADDRESS
from ..chain.journal import Journal
from ..chain.tokens import Amount, allowance, approve, balance_of, total
from ..errors import OrderError
from ..node.answers import Order

__all__ = ["OrderBook", "OrderPlan", "Source", "carry_out", "find_source", "order_step", "plan_order"]

_ONE_STEP_TEMPLATES = frozenset({2, 4})


@dataclass(frozen=True)
class Source:
    """Where one datatoken comes from.

    Attributes:
        kind: "owned" (the account has one), "dispenser" or "exchange".
        contract: of the dispenser or exchange.
        exchange_id: of the exchange, 32 bytes.
        price: most that the exchange takes; None where it costs nothing.
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
    """What will be done to order an asset.

    Attributes:
        role: "algorithm" or "data set", for people and the journal.
        did: of the asset.
        datatoken: its contract.
        service_index: number of the service in the DDO.
        consumer: for whom the order is made out: the environment.
        is_begun: whether an earlier run has sent the order already; it is finished then.
        valid: transaction of an order that still holds; nothing is to be done then.
        reused: transaction of an order that holds once the provider's fee is paid again.
        source: of the datatoken; None where none is needed.
        provider_fee: as the contract takes it.
        fees: provider's and market's, on top of the price.
    """

    role: str
    did: str
    datatoken: str
    service_index: int
    consumer: str
    is_begun: bool = False
    valid: str | None = None
    reused: str | None = None
    source: Source | None = None
    provider_fee: tuple[Any, ...] = ()
    fees: tuple[Amount, ...] = ()

    @property
    def costs(self) -> tuple[Amount, ...]:
        """All that the account pays, by token."""
        price = (self.source.price,) if self.source and self.source.price else ()
        return total((*price, *self.fees))

    def describe(self) -> str:
        """A few words for a person."""
        if self.valid:
            return f"the order {self.valid} still holds"
        if self.is_begun:
            return "the order that an earlier run has sent"
        if self.reused:
            return f"the order {self.reused} is used again"
        return str(self.source)


def find_source(chain: Chain, datatoken: str) -> Source:
    """The cheapest way to one datatoken.

    Args:
        chain: with the account that buys.
        datatoken: address of its contract.

    Raises:
        OrderError: nobody gives or sells it to this account.
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


def _exchanges(chain: Chain, token: Any, buyers: set[str], in_one: bool) -> Iterator[Source]:
    for contract, exchange_id in chain.read(token.functions.getFixedRates()):
        exchange = chain.contract("FixedRateExchange", contract).functions
        facts = chain.read(exchange.getExchange(exchange_id))
        base, is_active, supply, with_mint = facts[3], facts[6], facts[7], facts[11]
        if not is_active or not (with_mint or supply >= TOKEN_WEI):
            continue
        if chain.read(exchange.getAllowedSwapper(exchange_id)) not in buyers:
            continue
        price = int(chain.read(exchange.calcBaseInGivenOutDT(exchange_id, TOKEN_WEI, 0))[0])
        yield Source("exchange", contract, exchange_id, Amount.of(chain, base, price), in_one)


def order_step(role: str) -> str:
    """Name of the step that orders, in the journal."""
    return f"order the {role}"


def _buy_step(role: str) -> str:
    return f"buy the {role}'s datatoken"


def plan_order(
    chain: Chain, role: str, ddo: DDO, service_id: str, answer: Order, journal: Journal
) -> OrderPlan:
    """What has to be done to order an asset.

    Args:
        chain: with the account that pays.
        role: "algorithm" or "data set".
        ddo: of the asset.
        service_id: of the service that is used.
        answer: what the node says about it.
        journal: of the job; what it has begun is not planned again.

    Raises:
        OrderError: nobody sells it, or the node speaks of another asset.
    """
    service = ddo.service(service_id)
    if answer.did not in (None, ddo.id) or answer.consumer_address is None:
        raise OrderError(f"the node's answer about {ddo.id} does not fit; nothing was signed")
    datatoken = chain.web3.to_checksum_address(service.datatoken_address)
    if answer.datatoken and answer.datatoken.lower() != datatoken.lower():
        raise OrderError(f"the node names another datatoken for {ddo.id} than its DDO; nothing was signed")
    base = OrderPlan(
        role=role,
        did=ddo.id,
        datatoken=datatoken,
        service_index=[one.id for one in ddo.services].index(service.id),
        consumer=chain.web3.to_checksum_address(answer.consumer_address),
    )
    fee = answer.provider_fee
    begun = journal.steps.get(order_step(role))
    if begun is not None and (begun.attempts or begun.result):
        return _with(
            base,
            is_begun=True,
            reused=answer.valid_order,
            provider_fee=fee.as_tuple() if fee else (),
        )
    if answer.valid_order and fee is None:
        return _with(base, valid=answer.valid_order)
    if fee is None:
        raise OrderError(f"the node asks for an order of {ddo.id} and names no fee; nothing was signed")
    fees = []
    if fee.provider_fee_amount:
        fees.append(Amount.of(chain, fee.provider_fee_token, fee.provider_fee_amount))
    if answer.valid_order:
        return _with(base, reused=answer.valid_order, provider_fee=fee.as_tuple(), fees=tuple(fees))
    token = chain.contract("ERC20Template", datatoken).functions
    market = chain.read(token.getPublishingMarketFee())
    if market[2]:
        fees.append(Amount.of(chain, market[1], int(market[2])))
    source = find_source(chain, datatoken)
    return _with(base, source=source, provider_fee=fee.as_tuple(), fees=tuple(fees))


def _with(plan: OrderPlan, **changes: Any) -> OrderPlan:
    return OrderPlan(**{**plan.__dict__, **changes})


def carry_out(plan: OrderPlan, chain: Chain, journal: Journal) -> str:
    """Buys and orders, as far as it is not done.

    Args:
        plan: of `plan_order`.
        chain: with the account that pays.
        journal: of this job.

    Returns:
        The transaction of the order, "0x...".

    Raises:
        TransactionFailed: refused or reverted; what was done before it stands, and is not done again.
    """
    if plan.valid:
        return plan.valid
    source = plan.source
    if source is not None and source.kind != "owned" and not source.in_one:
        _buy(plan, source, chain, journal)
    allowed = list(plan.fees)
    if source is not None and source.in_one and source.price:
        allowed.append(source.price)
    for amount in total(allowed):
        _allow(plan, amount, plan.datatoken, chain, journal)
    done = journal.transact(
        order_step(plan.role),
        [plan.datatoken, plan.service_index, plan.consumer],
        lambda: _order_call(plan, chain),
        lambda receipt: {"order": "0x" + bytes(receipt["transactionHash"]).hex()},
    )
    return str(done["order"])


def _buy(plan: OrderPlan, source: Source, chain: Chain, journal: Journal) -> None:
    if source.price is not None:
        _allow(plan, source.price, source.contract, chain, journal)

    def call() -> Call:
        if source.price is None:
            dispenser = chain.contract("Dispenser", source.contract)
            return dispenser.functions.dispense(plan.datatoken, TOKEN_WEI, chain.address)
        exchange = chain.contract("FixedRateExchange", source.contract)
        return exchange.functions.buyDT(source.exchange_id, TOKEN_WEI, source.price.units, ZERO_ADDRESS, 0)

    journal.transact(_buy_step(plan.role), [plan.datatoken], call, lambda _: {})


def _allow(plan: OrderPlan, amount: Amount, spender: str, chain: Chain, journal: Journal) -> None:
    if allowance(chain, amount.token, spender) >= amount.units:
        return
    journal.transact(
        f"let {spender} take {amount} for the {plan.role}",
        [amount.token, spender, str(amount.units)],
        lambda: approve(chain, amount, spender),
        lambda _: {},
    )


def _order_call(plan: OrderPlan, chain: Chain) -> Call:
    source = plan.source
    if plan.reused:
        token = chain.contract("ERC20Template", plan.datatoken)
        return token.functions.reuseOrder(bytes.fromhex(plan.reused[2:]), plan.provider_fee)
    no_market = (ZERO_ADDRESS, ZERO_ADDRESS, 0)
    if source is None or not source.in_one or source.kind == "owned":
        token = chain.contract("ERC20Template", plan.datatoken)
        return token.functions.startOrder(plan.consumer, plan.service_index, plan.provider_fee, no_market)
    token = chain.contract("ERC20TemplateEnterprise", plan.datatoken)
    order: Any = (plan.consumer, plan.service_index, plan.provider_fee, no_market)
    if source.price is None:
        return token.functions.buyFromDispenserAndOrder(order, source.contract)
    purchase: Any = (source.contract, source.exchange_id, source.price.units, 0, ZERO_ADDRESS)
    return token.functions.buyFromFreAndOrder(order, purchase)


class OrderBook:
    """Orders of earlier jobs, which the next job may use while they are valid. No secrets in it.

    Losing the file costs new orders, nothing else; whether an order still holds is for the node to say.

    Args:
        path: of the file, one order a line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, chain: Chain, datatoken: str, service_id: str, consumer: str) -> str | None:
        """The last order of this account, None if there is none."""
        key = _order_key(chain, datatoken, service_id, consumer)
        found = None
        with suppress(OSError, UnicodeDecodeError):
            for line in self._path.read_text("utf-8").splitlines():
                with suppress(ValueError, KeyError, TypeError):  # the last line may be half written
                    entry = json.loads(line)
                    found = str(entry["order"]) if entry["key"] == key else found
        return found

    def add(self, chain: Chain, datatoken: str, service_id: str, consumer: str, order: str) -> None:
        """Keeps an order, if the file can be written."""
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
