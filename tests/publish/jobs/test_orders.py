"""Where datatokens come from, on Ocean's real contracts: dispensers, exchanges, templates, closed shops."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from ocean_assets import algorithm, skip_without_escrow
from unionveil_ocean.assets.ddo import DDO, Place
from unionveil_ocean.assets.pricing import FixedRate, Free, creation_call
from unionveil_ocean.chain.addresses import ZERO_ADDRESS, checksum_address
from unionveil_ocean.chain.connection import ContractFunction, event_of
from unionveil_ocean.chain.escrows import RELEASED_ESCROWS
from unionveil_ocean.chain.journal import Journal
from unionveil_ocean.chain.networks import find_network
from unionveil_ocean.chain.tokens import amount_of, balance_of, check_funds
from unionveil_ocean.errors import InsufficientFunds, OrderError, TransactionFailed
from unionveil_ocean.jobs.escrow import escrow_funds, pay_in, plan_escrow, withdrawal
from unionveil_ocean.jobs.orders import carry_out, find_source, plan_order
from unionveil_ocean.money import TOKEN_WEI, total
from unionveil_ocean.node.answers import Order, Payment

ENVIRONMENT = "0x" + "e1" * 20


@pytest.fixture
def publisher(chain):
    return chain.as_account(chain.accounts[2])


@pytest.fixture
def buyer(chain):
    return chain.as_account(chain.accounts[3])


@pytest.fixture
def ocean(chain, buyer):
    token = str(chain.addresses.ocean)
    chain.mint_ocean(buyer.address, 100 * TOKEN_WEI)
    return token


def published(publisher, pricing, *, template=1, fee=(ZERO_ADDRESS, ZERO_ADDRESS, 0)) -> str:
    """The datatoken of a new asset, optionally of another template or with a market's fee."""
    factory = publisher.contract("ERC721Factory", publisher.addresses.factory)
    call = creation_call(publisher, "Photos", "PHO", pricing)
    assert isinstance(call, ContractFunction)
    nft, token, terms = call.args
    market, fee_token, amount = fee
    people = [publisher.address, publisher.address, market, fee_token]
    # Template 2 keeps to the cap, template 1 does not.
    token = (template, token[1], people, [1000 * TOKEN_WEI, amount], [])
    receipt = publisher.send(getattr(factory.functions, call.fn_name)(nft, token, terms))
    return str(event_of(factory, "TokenCreated", receipt)["newTokenAddress"])


def enterprise(publisher, pricing) -> str:
    """The same with Ocean's template 2, which buys and orders in one transaction."""
    factory = publisher.contract("ERC721Factory", publisher.addresses.factory)
    owner = publisher.as_account(publisher.accounts[0])
    if factory.functions.getCurrentTemplateCount().call() < 2:
        made = owner.send(owner.constructor("ERC20TemplateEnterprise"))["contractAddress"]
        owner.send(factory.functions.addTokenTemplate(made))
    return published(publisher, pricing, template=2)


def ddo_of(datatoken: str) -> DDO:
    place = Place(ZERO_ADDRESS, datatoken, "s")
    return algorithm().draft(1, "http://127.0.0.1:8001").completed(place, "0x00")


def planned(journal, role, datatoken, said):
    ddo = ddo_of(datatoken)
    return plan_order(journal, role, ddo, ddo.services[0], said)


def answer(node, token: str, amount: int = 0, **changes) -> Order:
    """A node's answer: an order is needed, with this fee, signed by the node's account."""
    digest = node.web3.solidity_keccak(
        ["bytes", "address", "address", "uint256", "uint256"], [b"{}", node.address, token, amount, 0]
    )
    signed = node.account.sign_message(encode_defunct(primitive=digest))
    fee = {
        "providerFeeAddress": node.address,
        "providerFeeToken": token,
        "providerFeeAmount": str(amount),
        "v": signed.v,
        "r": f"0x{signed.r:064x}",
        "s": f"0x{signed.s:064x}",
        "validUntil": 0,
        "providerData": "0x" + b"{}".hex(),
    }
    given = {"validOrder": False, "consumerAddress": ENVIRONMENT, "providerFee": fee, **changes}
    return Order.model_validate(given)


def started(chain, datatoken: str, tx_hash: str) -> int:
    token = chain.contract("ERC20Template", datatoken)
    receipt = chain.receipt(tx_hash)
    topic = chain.web3.keccak(text="OrderStarted(address,address,uint256,uint256,uint256,address,uint256)")
    return sum(1 for log in receipt["logs"] if log["address"] == token.address and log["topics"][0] == topic)


def test_a_dispenser_is_taken_and_then_what_the_account_has(publisher, buyer):
    datatoken = published(publisher, Free())
    source = find_source(buyer, datatoken)
    assert (source.kind, source.price, source.in_one) == ("dispenser", None, False)
    dispenser = buyer.contract("Dispenser", source.contract)
    buyer.send(dispenser.functions.dispense(datatoken, TOKEN_WEI, buyer.address))
    assert find_source(buyer, datatoken).kind == "owned"


def test_a_closed_dispenser_and_a_closed_exchange_sell_nothing(publisher, buyer, ocean):
    free = published(publisher, Free())
    dispenser = publisher.contract("Dispenser", publisher.addresses.dispenser)
    publisher.send(dispenser.functions.deactivate(free))
    sold = published(publisher, FixedRate(TOKEN_WEI, ocean, "OCEAN", 18))
    exchange = publisher.contract("FixedRateExchange", publisher.addresses.fixed_rate)
    source = find_source(buyer, sold)
    publisher.send(exchange.functions.setAllowedSwapper(source.exchange_id, publisher.address))
    for datatoken in (free, sold):
        with pytest.raises(OrderError, match="nobody gives away or sells"):
            find_source(buyer, datatoken)


@pytest.mark.parametrize("make", [published, enterprise])
def test_an_order_from_an_exchange_pays_price_and_fees(publisher, buyer, ocean, tmp_path, make):
    datatoken = make(publisher, FixedRate(3 * TOKEN_WEI, ocean, "OCEAN", 18))
    before = balance_of(buyer, ocean)
    with Journal(tmp_path / "job.json", buyer) as journal:
        said = answer(publisher, ocean, TOKEN_WEI // 2)
        plan = planned(journal, "data set", datatoken, said)
        tx_hash = carry_out(plan, journal)
        assert carry_out(plan, journal) == tx_hash
    assert started(buyer, datatoken, tx_hash) == 1
    paid = sum(amount.units for amount in plan.costs)
    assert before - balance_of(buyer, ocean) == paid == 3 * TOKEN_WEI + 3 * TOKEN_WEI // 1000 + TOKEN_WEI // 2
    assert str(plan.costs[0]) == "3.503 OCEAN"


def test_a_free_order_in_one_transaction(publisher, buyer, ocean, tmp_path):
    datatoken = enterprise(publisher, Free())
    with Journal(tmp_path / "job.json", buyer) as journal:
        said = answer(publisher, ocean)
        plan = planned(journal, "algorithm", datatoken, said)
        assert plan.source is not None
        assert plan.source.in_one
        tx_hash = carry_out(plan, journal)
        assert list(journal.steps) == ["order the algorithm"]
    assert started(buyer, datatoken, tx_hash) == 1


def test_a_market_fee_is_paid_too(publisher, buyer, ocean, tmp_path):
    market = Account.create().address
    datatoken = published(publisher, Free(), fee=(market, ocean, 7))
    with Journal(tmp_path / "job.json", buyer) as journal:
        plan = planned(journal, "data set", datatoken, answer(publisher, ocean, 5))
        carry_out(plan, journal)
    assert balance_of(buyer, ocean, market) == 7
    assert sum(amount.units for amount in plan.costs) == 12


def test_a_forged_fee_is_refused_by_the_contract(publisher, buyer, ocean, tmp_path):
    datatoken = published(publisher, Free())
    said = answer(publisher, ocean)
    assert said.provider_fee is not None
    forged = said.model_copy(update={"provider_fee": said.provider_fee.model_copy(update={"valid_until": 9})})
    with Journal(tmp_path / "job.json", buyer) as journal:
        plan = planned(journal, "data set", datatoken, forged)
        with pytest.raises(TransactionFailed, match="Invalid provider fee"):
            carry_out(plan, journal)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"did": "did:op:" + "f" * 64}, "does not fit"),
        ({"consumerAddress": None}, "does not fit"),
        ({"datatoken": "0x" + "9" * 40}, "names another datatoken"),
        ({"providerFee": None}, "names no fee"),
    ],
)
def test_a_node_that_speaks_of_something_else(publisher, buyer, ocean, tmp_path, change, sentence):
    datatoken = published(publisher, Free())
    with (
        Journal(tmp_path / "job.json", buyer) as journal,
        pytest.raises(OrderError, match=sentence),
    ):
        said = answer(publisher, ocean, **change)
        planned(journal, "data set", datatoken, said)


def payment(chain, ocean, amount: int) -> Payment:
    skip_without_escrow(chain)
    return Payment(
        escrow_address=chain.addresses.escrow,
        payee=ENVIRONMENT,
        chain_id=chain.chain_id,
        min_lock_seconds=900,
        token=ocean,
        amount=amount,
    )


def test_the_escrow_gets_what_is_missing_and_no_more(chain, buyer, ocean, tmp_path):
    asked = payment(chain, ocean, 4 * TOKEN_WEI)
    plan = plan_escrow(buyer, asked, ENVIRONMENT)
    assert plan.deposit.units == 4 * TOKEN_WEI
    with Journal(tmp_path / "a.json", buyer) as journal:
        pay_in(plan, journal)
        pay_in(plan, journal)
    escrow = chain.contract("Escrow", chain.addresses.escrow).functions
    assert escrow.getUserFunds(buyer.address, ocean).call()[0] == 4 * TOKEN_WEI
    (allowed,) = escrow.getAuthorizations(
        ocean, buyer.address, buyer.web3.to_checksum_address(ENVIRONMENT)
    ).call()
    assert tuple(allowed[1:]) == (4 * TOKEN_WEI, 0, 900, 1, 0)
    again = plan_escrow(buyer, asked, ENVIRONMENT)
    assert (again.deposit.units, again.is_allowed) == (0, True)
    assert again.reused.units == 4 * TOKEN_WEI
    more = plan_escrow(buyer, payment(chain, ocean, 5 * TOKEN_WEI), ENVIRONMENT)
    assert (more.deposit.units, more.is_allowed) == (TOKEN_WEI, False)


def test_a_permission_shrinks_to_the_price_of_the_job(chain, publisher, ocean, tmp_path):
    """The node may lock at most the cost of this job, even if earlier jobs allowed it more."""
    buyer = chain.as_account(chain.accounts[4])
    chain.mint_ocean(buyer.address, 100 * TOKEN_WEI)
    node = chain.as_account(chain.accounts[5])
    escrow = chain.contract("Escrow", chain.addresses.escrow).functions

    def pay(units: int, name: str):
        asked = payment(chain, ocean, units).model_copy(update={"payee": node.address})
        with Journal(tmp_path / name, buyer) as journal:
            pay_in(plan_escrow(buyer, asked, node.address), journal)
        (allowed,) = escrow.getAuthorizations(ocean, buyer.address, node.address).call()
        return tuple(allowed[1:])

    assert pay(9 * TOKEN_WEI, "a.json") == (9 * TOKEN_WEI, 0, 900, 1, 0)
    assert pay(2 * TOKEN_WEI, "b.json") == (2 * TOKEN_WEI, 0, 900, 1, 0)
    node.send(escrow.createLock(7, ocean, buyer.address, 2 * TOKEN_WEI, 60))
    assert pay(3 * TOKEN_WEI, "c.json") == (5 * TOKEN_WEI, 2 * TOKEN_WEI, 900, 2, 1)

    (funds,) = escrow_funds(buyer, chain.addresses.escrow)
    assert (funds.free.units, funds.locked.units) == (7 * TOKEN_WEI, 2 * TOKEN_WEI)
    before = balance_of(buyer, ocean)
    buyer.send(withdrawal(buyer, chain.addresses.escrow, [funds]))
    assert balance_of(buyer, ocean) - before == 7 * TOKEN_WEI
    (left,) = escrow_funds(buyer, chain.addresses.escrow, [ocean])
    assert (left.free.units, left.locked.units) == (0, 2 * TOKEN_WEI)


def test_the_escrow_of_another_release_is_paid_into(chain, buyer, ocean, tmp_path):
    """The behaviour of a node with other contracts than the installed ones."""
    skip_without_escrow(chain)
    made = buyer.constructor("Escrow", chain.addresses.router, chain.addresses.fee_collector)
    older = str(buyer.send(made)["contractAddress"])
    asked = payment(chain, ocean, 3 * TOKEN_WEI).model_copy(update={"escrow_address": older.lower()})
    with pytest.raises(OrderError, match=r"not one of Ocean's escrows on .* with --address-file") as caught:
        plan_escrow(buyer, asked, ENVIRONMENT)
    assert str(chain.addresses.escrow) in str(caught.value)
    buyer.network = replace(buyer.network, released_escrows=(older,))
    before = balance_of(buyer, ocean)
    plan = plan_escrow(buyer, asked, ENVIRONMENT)
    with Journal(tmp_path / "a.json", buyer) as journal:
        pay_in(plan, journal)
    funds = buyer.contract("Escrow", older).functions.getUserFunds(buyer.address, ocean).call()
    assert (plan.escrow, funds[0]) == (older, 3 * TOKEN_WEI)
    assert before - balance_of(buyer, ocean) == 3 * TOKEN_WEI


def test_ocean_s_escrows_are_known_by_chain():
    """Those of nodes that run with ocean-contracts 2.6 to 3.1, as its address.json names them."""
    sepolia = find_network("sepolia")
    for start in ("0xd09789", "0x983074", "0x4fd5ec"):
        assert [one for one in sepolia.escrows if one.lower().startswith(start)]
    assert sepolia.escrows[0] in (sepolia.addresses.escrow, sepolia.released_escrows[0])
    everywhere = [one for addresses in RELEASED_ESCROWS.values() for one in addresses]
    assert len(set(everywhere)) == len(everywhere) == 17
    assert [checksum_address(one) for one in everywhere] == everywhere
    assert not find_network("polygon").escrows


def test_a_network_without_an_escrow_says_so(chain, buyer, ocean):
    asked = payment(chain, ocean, 1)
    old = replace(buyer.network, addresses=replace(buyer.addresses, escrow=None))
    buyer.network = old
    with pytest.raises(OrderError, match="so paid compute is not possible there"):
        plan_escrow(buyer, asked, ENVIRONMENT)


def test_amounts_are_exact_and_read_like_money(chain, buyer, ocean):
    one = amount_of(buyer, ocean, 1)
    assert str(one) == "0.000000000000000001 OCEAN"
    assert str(replace(one, units=25 * 10**17)) == "2.5 OCEAN"
    assert str(replace(one, units=0)) == "0 OCEAN"
    assert total([one, one, replace(one, units=0)]) == (replace(one, units=2),)
    with pytest.raises(InsufficientFunds):
        check_funds(buyer, [replace(one, units=10**30)])
