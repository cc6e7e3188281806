import pytest

from unionveil_ocean.chain.addresses import ZERO_ADDRESS
from unionveil_ocean.chain.connection import event_of, shown_url
from unionveil_ocean.chain.contracts import artifact
from unionveil_ocean.chain.fees import FeePolicy
from unionveil_ocean.chain.networks import find_network, known_networks
from unionveil_ocean.errors import (
    ChainError,
    InsufficientFunds,
    NetworkMismatch,
    SettingError,
    TransactionFailed,
)


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


def test_a_call_that_would_revert_is_never_signed_and_tells_the_contracts_reason(chain):
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
    from dataclasses import replace

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


def test_an_address_file_brings_chains_of_ones_own(tmp_path):
    file = tmp_path / "address.json"
    file.write_text(
        '{"development": {"chainId": 8996, "ERC721Factory": "0x1", "FixedPrice": "0x2", "Dispenser": "0x3"}}'
    )
    assert find_network("development", file).addresses.dispenser == "0x3"
    file.write_text('{"development": {"chainId": 8996}}')
    with pytest.raises(SettingError, match="ERC721Factory"):
        find_network("development", file)


def test_an_unknown_contract_says_what_to_install():
    with pytest.raises(SettingError, match="pip install"):
        artifact("NoSuchContract")
