import json
from dataclasses import replace

import pytest

from rpc_server import RpcServer
from unionveil_ocean.chain.addresses import ZERO_ADDRESS
from unionveil_ocean.chain.connection import connect, event_of, shown_url
from unionveil_ocean.chain.contracts import artifact
from unionveil_ocean.chain.fees import FeePolicy
from unionveil_ocean.chain.networks import find_network, known_networks
from unionveil_ocean.errors import (
    ChainError,
    InsufficientFunds,
    NetworkMismatch,
    PublishError,
    SettingError,
    TransactionFailed,
)


@pytest.fixture
def rpc(shared_chain):
    with RpcServer(shared_chain) as server:
        yield server


@pytest.fixture
def paused() -> list[float]:
    """Seconds of every pause of `remote`."""
    return []


@pytest.fixture
def remote(shared_chain, rpc, paused):
    """The embedded chain as a command sees a network: over HTTP, with its own account's key."""
    network = replace(shared_chain.network, is_live=True)
    chain = connect(network, rpc.url, shared_chain.accounts[6])
    chain.pause = paused.append
    return chain


def approve(chain):
    token = chain.contract("OceanToken", chain.addresses.ocean)
    return token.functions.approve(chain.addresses.factory, 1)


def create_nft(chain):
    factory = chain.contract("ERC721Factory", chain.addresses.factory)
    call = factory.functions.deployERC721Contract(
        "A data NFT", "NFT", 1, ZERO_ADDRESS, ZERO_ADDRESS, "", True, chain.address
    )
    address = event_of(factory, "NFTCreated", chain.send(call))["newTokenAddress"]
    return chain.contract("ERC721Template", address)


def test_ocean_is_on_the_embedded_chain(chain):
    nft = create_nft(chain)
    assert nft.functions.ownerOf(1).call() == chain.address


def test_a_call_that_would_revert_is_never_signed_and_carries_the_contracts_reason(chain):
    nft = create_nft(chain)
    stranger = chain.as_account(chain.accounts[3])
    before = stranger.next_nonce()
    with pytest.raises(TransactionFailed, match="METADATA_ROLE") as caught:
        stranger.send(nft.functions.setMetaDataState(1), action="deprecate")
    assert caught.value.tx_hash is None
    assert stranger.next_nonce() == before


def test_a_transaction_that_is_reverted_in_its_block_is_no_success(chain):
    other = chain.as_account(chain.accounts[4])
    token = chain.contract("OceanToken", chain.addresses.ocean)
    chain.send(token.functions.approve(other.address, 1))
    signed = other.sign(token.functions.transferFrom(chain.address, other.address, 1), action="take")
    chain.send(token.functions.approve(other.address, 0))
    with pytest.raises(TransactionFailed, match="take") as caught:
        other.broadcast(signed, "take")
        other.wait(signed.tx_hash, "take")
    assert caught.value.tx_hash == signed.tx_hash


def test_sending_the_same_bytes_again_does_nothing(chain):
    nft = create_nft(chain)
    signed = chain.sign(nft.functions.setMetaDataState(2))
    chain.broadcast(signed)
    chain.wait(signed.tx_hash)
    nonce = chain.next_nonce()
    chain.broadcast(signed)
    assert chain.next_nonce() == nonce


def test_an_empty_account_is_told_what_it_needs(chain):
    from eth_account import Account

    poor = chain.as_account(Account.create())
    with pytest.raises(InsufficientFunds, match="send it some") as caught:
        poor.send(poor.contract("OceanToken", chain.addresses.ocean).functions.approve(chain.address, 1))
    assert caught.value.needed > caught.value.available == 0


def test_a_cap_on_fees_holds(chain):
    chain.policy = FeePolicy(max_fee_wei=1)
    with pytest.raises(ChainError, match="the cap is"):
        chain.fees()
    chain.policy = FeePolicy(max_fee_wei=10**10)
    fees = chain.fees()
    assert fees.likely <= fees.highest <= 10**10
    assert fees.fields["maxPriorityFeePerGas"] <= fees.fields["maxFeePerGas"]


def test_the_wrong_chain_is_noticed_before_signing(chain):
    from unionveil_ocean.chain.connection import Chain

    elsewhere = Chain(chain.web3, replace(chain.network, chain_id=1), chain.account)
    with pytest.raises(NetworkMismatch) as caught:
        elsewhere.send(
            chain.contract("OceanToken", chain.addresses.ocean).functions.approve(chain.address, 1)
        )
    assert (caught.value.expected, caught.value.actual) == (1, chain.chain_id)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://sepolia.infura.io/v3/topsecret", "https://sepolia.infura.io"),
        ("https://user:topsecret@host:8545/?key=topsecret", "https://host:8545"),
    ],
)
def test_addresses_are_shown_without_their_secrets(url, shown):
    assert shown_url(url) == shown


def test_networks_are_found_by_name_and_chain_id():
    assert find_network("sepolia").chain_id == 11155111
    assert find_network("11155111").name == "sepolia"
    assert find_network("Polygon").currency == "POL"
    with pytest.raises(SettingError, match="did you mean 'sepolia'"):
        find_network("sepola")
    assert len(known_networks()) >= 15


def test_an_unknown_contract_says_what_to_install():
    with pytest.raises(SettingError, match="pip install"):
        artifact("NoSuchContract")


BUSY = {"error": {"code": -32005, "message": "rate limit exceeded"}}


def failing(method, times, answer=BUSY):
    """Answers the first requests of a method with an error."""
    left = [answer] * times

    def fault(body):
        return left.pop() if body["method"] == method and left else None

    return fault


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        "eth_getTransactionReceipt",
        "eth_sendRawTransaction",
        "eth_getTransactionCount",
        "eth_estimateGas",
        "eth_getBlockByNumber",
        "eth_chainId",
    ],
)
def test_an_rpc_that_is_asked_too_often_is_asked_again(remote, paused, rpc, method):
    rpc.fault = failing(method, 3)
    count = remote.next_nonce()
    assert remote.send(approve(remote))["status"] == 1
    assert remote.next_nonce() == count + 1
    assert len(paused) >= 3


@pytest.mark.parametrize(
    "answer", [{"error": {"code": -32603, "message": "internal"}}, {"result": "nonsense"}]
)
def test_a_receipt_is_waited_for_whatever_the_rpc_answers(remote, rpc, answer):
    """A transaction was sent: a traceback here would leave it unknown whether it was paid."""
    rpc.fault = failing("eth_getTransactionReceipt", 2, answer)
    assert remote.send(approve(remote))["status"] == 1
    rpc.fault = failing("eth_getTransactionReceipt", 1000, answer)
    remote.timeout_seconds = 0.2
    with pytest.raises(ChainError, match="is not in a block after 0 s and may still come") as caught:
        remote.send(approve(remote))
    assert "the RPC" in str(caught.value)
    rpc.fault = lambda _: None


DEEP = {"result": json.loads("[" * 90 + "]" * 90)}
ODD = [
    DEEP,
    {"result": {"number": []}},
    {"result": "0x"},
    {"result": None},
    {"error": "\x1b[2J"},
    {"error": {"code": 1, "message": "\x1b[2Jno\n"}},
]


@pytest.mark.parametrize("method", ["eth_getBlockByNumber", "eth_chainId", "eth_call", "eth_getBalance"])
def test_odd_answers_of_an_rpc_are_one_printable_sentence(remote, rpc, method):
    remote.network = replace(remote.network, has_base_fee=True)
    call = remote.contract("ERC721Template", remote.addresses.factory).functions.ownerOf(1)
    questions = {
        "eth_getBlockByNumber": remote.fees,
        "eth_chainId": remote.check_chain_id,
        "eth_call": lambda: remote.read(call),
        "eth_getBalance": remote.balance,
    }
    for answer in ODD:
        rpc.fault = failing(method, 1000, answer)
        with pytest.raises(PublishError) as caught:
            questions[method]()
        assert str(caught.value).isprintable(), answer


def test_a_network_with_a_base_fee_must_show_it(remote, rpc, shared_chain):
    def without_base_fee(body):
        if body["method"] != "eth_getBlockByNumber":
            return None
        block = rpc.answer(rpc.ask, body)["result"]
        return {"result": {key: value for key, value in block.items() if key != "baseFeePerGas"}}

    rpc.fault = without_base_fee
    assert "gasPrice" in remote.fees().fields
    remote.network = replace(remote.network, has_base_fee=True)
    with pytest.raises(ChainError, match="leaves out the base fee"):
        remote.send(approve(remote))
    assert "eth_sendRawTransaction" not in rpc.requests
    assert find_network("mainnet").has_base_fee
    assert not find_network("oasis_sapphire").has_base_fee


def test_gas_has_a_cap_without_being_asked(remote, rpc):
    price = 600 * 10**9
    rpc.fault = failing("eth_maxPriorityFeePerGas", 1, {"result": hex(price)})
    assert remote.fees().highest <= 500 * 10**9
    remote.network = replace(remote.network, max_fee_wei=1)
    with pytest.raises(ChainError, match="the cap is"):
        remote.fees()
    remote.policy = FeePolicy(max_fee_wei=10**12)
    assert remote.fees().highest <= 10**12
    rpc.fault = failing("eth_estimateGas", 1, {"result": hex(10**9)})
    with pytest.raises(ChainError, match="more than a transaction may take"):
        remote.send(approve(remote))
    assert find_network("polygon").max_fee_wei > find_network("mainnet").max_fee_wei == 500 * 10**9


def test_confirmations_are_waited_for_and_a_block_that_is_gone_is_noticed(remote, shared_chain):
    remote.confirmations = 3
    other = shared_chain.as_account(shared_chain.accounts[7])
    remote.pause = lambda _: other.send(approve(other))
    before = remote.web3.eth.block_number
    receipt = remote.send(approve(remote))
    assert receipt["blockNumber"] == before + 1
    assert remote.web3.eth.block_number >= before + 3
    gone = {**receipt, "transactionHash": b"\x11" * 32}
    with pytest.raises(ChainError, match="reorganization"):
        remote.confirmed(gone)
