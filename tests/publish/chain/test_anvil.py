"""Over JSON-RPC, against another implementation of the chain: anvil, with raw signed transactions."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import replace

import pytest
from eth_account import Account
from web3 import Web3
from web3.types import Wei

from checked import present
from npm import npm_folder
from ocean_assets import algorithm
from ports import free_port
from unionveil_ocean.assets.pricing import pricing_of
from unionveil_ocean.assets.publisher import Publisher
from unionveil_ocean.chain.connection import Chain, connect
from unionveil_ocean.chain.fees import FeePolicy
from unionveil_ocean.chain.journal import Journal
from unionveil_ocean.chain.networks import Addresses, Network
from unionveil_ocean.errors import ChainError, InsufficientFunds, NetworkMismatch, TransactionFailed
from unionveil_ocean.sandbox.chain import deploy_ocean
from unionveil_ocean.sandbox.node import OfflineNode
from unionveil_ocean.sandbox.rehearsal import rehearse

pytestmark = [pytest.mark.node, pytest.mark.slow]

FORKS = {"1559": (), "legacy": ("--hardfork", "berlin")}


@pytest.fixture(scope="module", params=sorted(FORKS))
def anvil(request):
    """A chain whose funded accounts only it knows: ours gets its coins like anybody else."""
    folder = npm_folder("@foundry-rs/anvil")
    port = free_port()
    program = folder / "node_modules" / "@foundry-rs" / "anvil" / "bin.mjs"
    command = [present(shutil.which("node")), str(program)]
    options = ["--port", str(port), "--chain-id", "8996", "--silent", *FORKS[request.param]]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            web3 = Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": 10}))
            until = time.monotonic() + 30
            while not web3.is_connected():
                assert time.monotonic() < until, "anvil does not start"
                time.sleep(0.1)
            account = Account.create()
            sent = web3.eth.send_transaction(
                {
                    "from": web3.eth.accounts[0],
                    "to": account.address,
                    "value": Wei(100 * 10**18),
                    "gasPrice": Wei(10**10),
                }
            )
            web3.eth.wait_for_transaction_receipt(sent)
            nowhere = Network("anvil", 8996, Addresses("", "", ""))
            deployer = Chain(web3, nowhere, account)
            network = replace(nowhere, addresses=deploy_ocean(deployer))
            yield connect(network, url, account), url, request.param
        finally:
            process.terminate()


def publish(journal, node):
    publisher = Publisher(journal, node)
    return publisher.publish(publisher.plan(algorithm()))


def test_everything_goes_over_the_wire(anvil, tmp_path):
    chain, _, fork = anvil
    node = OfflineNode()
    with Journal(tmp_path / "j.json", chain) as journal:
        publisher = Publisher(journal, node)
        plan = publisher.plan(algorithm(pricing_of("1.5", None, chain)))
        done = publisher.publish(plan)
        later = publisher.update(algorithm(description="A second version."), done.ddo)
        assert later.did == done.did
        assert publisher.change_state(publisher.plan_state(done.nft, "revoked"))
    sent = chain.web3.eth.get_transaction(done.tx_hashes["create"])
    assert sent["type"] == (0 if fork == "legacy" else 2)
    assert sent["from"] == chain.address
    # Another implementation of the chain counts the same gas; before EIP-7623 data was cheaper.
    counted = rehearse(plan, node.url)
    assert done.gas_used["create"] == pytest.approx(counted["create"], rel=0.01)
    if fork == "legacy":
        assert done.gas_used["set metadata"] < counted["set metadata"]
    else:
        assert done.gas_used["set metadata"] == pytest.approx(counted["set metadata"], rel=0.01)


def test_interrupted_it_resumes(anvil, tmp_path):
    chain, _, _ = anvil
    node = OfflineNode()
    factory = chain.contract("ERC721Factory", chain.addresses.factory).functions
    before = factory.getCurrentNFTCount().call()

    class Interrupted(BaseException):
        pass

    for last in ("create signed", "set metadata signed"):

        def stop(step, last=last):
            if step == last:
                raise Interrupted

        with pytest.raises(Interrupted), Journal(tmp_path / "j.json", chain, stop) as journal:
            publish(journal, node)
    with Journal(tmp_path / "j.json", chain) as journal:
        publish(journal, node)
    assert factory.getCurrentNFTCount().call() == before + 1


def test_a_transaction_that_waits_is_found_by_the_next_run(anvil, tmp_path):
    chain, _, _ = anvil
    node = OfflineNode()
    factory = chain.contract("ERC721Factory", chain.addresses.factory).functions
    before = factory.getCurrentNFTCount().call()
    rpc = chain.web3.provider.make_request
    impatient = replace(chain, timeout_seconds=1)
    rpc("evm_setAutomine", [False])
    try:
        with (
            pytest.raises(ChainError, match="continues to wait"),
            Journal(tmp_path / "j.json", impatient) as journal,
        ):
            publish(journal, node)
        with (
            pytest.raises(ChainError, match="continues to wait"),
            Journal(tmp_path / "j.json", impatient) as journal,
        ):
            publish(journal, node)
    finally:
        rpc("evm_setAutomine", [True])
    rpc("evm_mine", [])
    with Journal(tmp_path / "j.json", chain) as journal:
        publish(journal, node)
    assert factory.getCurrentNFTCount().call() == before + 1


def test_errors_are_reported(anvil):
    chain, url, fork = anvil
    token = chain.contract("OceanToken", chain.addresses.ocean)
    with pytest.raises(TransactionFailed, match="exceeds") as caught:
        chain.send(token.functions.transfer(Account.create().address, 10**30))
    assert caught.value.tx_hash is None
    with pytest.raises(NetworkMismatch):
        connect(replace(chain.network, chain_id=1), url, chain.account)
    with pytest.raises(ChainError, match="no contract at"):
        nowhere = replace(chain.network.addresses, factory="0x" + "12" * 20)
        connect(replace(chain.network, addresses=nowhere), url, chain.account)
    poor = replace(chain, account=Account.create())
    with pytest.raises(InsufficientFunds):
        poor.send(token.functions.approve(chain.address, 1))
    with pytest.raises(ChainError, match="the cap is"):
        replace(chain, policy=FeePolicy(max_fee_wei=1)).fees()
    assert ("gasPrice" in chain.fees().fields) == (fork == "legacy")
