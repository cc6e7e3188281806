"""Environments that refuse jobs, or this account, are neither offered nor chosen nor paid."""

from __future__ import annotations

import pytest
from eth_account import Account

from unionveil_ocean.chain.addresses import ZERO_ADDRESS
from unionveil_ocean.chain.connection import event_of
from unionveil_ocean.errors import SettingError
from unionveil_ocean.jobs.environments import JobRequest, choose_environment, usable_environments
from unionveil_ocean.node.answers import Environment

NOBODY: dict[str, list[str]] = {"addresses": [], "accessLists": []}


def environment(chain, name="env", *, free=True, paid=True, **fields):
    fees = {str(chain.chain_id): [{"feeToken": chain.addresses.ocean, "prices": []}]} if paid else {}
    given = {"id": name, "consumerAddress": "0x" + "e1" * 20, "fees": fees, "maxJobDuration": 3600}
    if free is not False:
        given["free"] = {"maxJobDuration": 600, **({"access": free} if isinstance(free, dict) else {})}
    return Environment.model_validate({**given, **fields})


def access_list(chain, *members: str) -> str:
    """A contract whose token holders are served; any ERC-721 will do."""
    factory = chain.contract("ERC721Factory", chain.addresses.factory)
    call = factory.functions.deployERC721Contract(
        "List", "LIST", 1, ZERO_ADDRESS, ZERO_ADDRESS, "", True, chain.address
    )
    address = str(event_of(factory, "NFTCreated", chain.send(call))["newTokenAddress"])
    for member in members:
        nft = chain.contract("ERC721Template", address)
        chain.send(nft.functions.transferFrom(chain.address, member, 1))
    return address


def test_an_environment_that_runs_no_jobs_is_passed_over(chain):
    services, jobs = environment(chain, "a", features={"computeJobs": False}), environment(chain, "b")
    assert choose_environment([services, jobs], JobRequest({}), chain).environment.id == "b"
    with pytest.raises(SettingError, match="the node runs no jobs of account"):
        choose_environment([services], JobRequest({}), chain)
    with pytest.raises(SettingError, match="the environment a runs no jobs of account"):
        choose_environment([services, jobs], JobRequest({}, environment="a"), chain)


def test_free_and_paid_jobs_have_accounts_of_their_own(chain):
    others = {"addresses": [Account.create().address], "accessLists": []}
    closed = environment(chain, free=others)
    assert choose_environment([closed], JobRequest({}), chain).token == chain.addresses.ocean
    with pytest.raises(SettingError, match="offers this account no free environment"):
        choose_environment([closed], JobRequest({}, mode="free"), chain)
    unpaid = environment(chain, access=others)
    assert choose_environment([unpaid], JobRequest({}), chain).token is None
    with pytest.raises(SettingError, match="offers this account no paid environment"):
        choose_environment([unpaid], JobRequest({}, mode="paid"), chain)


@pytest.mark.parametrize("access", [None, {"addresses": ["0x1"], "accessLists": None}, NOBODY])
def test_what_a_node_lets_through_is_open(chain, access):
    assert usable_environments([environment(chain, free=False, access=access)], chain)


def test_addresses_are_compared_letter_by_letter_as_nodes_do(chain):
    def is_usable(address: str) -> bool:
        access = {"addresses": [address], "accessLists": []}
        return bool(usable_environments([environment(chain, free=False, access=access)], chain))

    assert is_usable(chain.address)
    assert not is_usable(chain.address.lower())


def test_holders_of_an_access_lists_token_are_let_in(chain):
    member, stranger = chain.as_account(chain.accounts[2]), chain.as_account(chain.accounts[3])
    lists = [None, {"1": ["0x" + "aa" * 20]}, {str(chain.chain_id): [access_list(chain, member.address)]}]
    listed = environment(chain, free=False, access={"addresses": [], "accessLists": lists})
    assert usable_environments([listed], member)
    assert not usable_environments([listed], stranger)
    nothing = [{str(chain.chain_id): ["0x" + "aa" * 20]}]
    empty = environment(chain, free=False, access={"addresses": [], "accessLists": nothing})
    assert not usable_environments([empty], member)


def test_a_paid_job_takes_an_hour_unless_asked_otherwise(chain):
    paid = JobRequest({}, mode="paid")
    day = environment(chain, maxJobDuration=86_400)
    assert choose_environment([day], paid, chain).seconds == 3600
    assert choose_environment([environment(chain, maxJobDuration=60)], paid, chain).seconds == 60
    assert choose_environment([environment(chain, minJobDuration=7200)], paid, chain).seconds == 7200
    assert choose_environment([day], JobRequest({}, mode="paid", seconds=80_000), chain).seconds == 80_000
    assert choose_environment([day], JobRequest({}, mode="free"), chain).seconds == 600
