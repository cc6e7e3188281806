"""Alongside ocean-lib 3.1.2 and its pins: Ocean's own Python library reads what our code published."""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace

import pytest

from ocean_assets import algorithm, closed_compute, dataset, publish
from unionveil_ocean.assets.asset import credentials_of
from unionveil_ocean.assets.trust import trusted_algorithm
from unionveil_ocean.chain.contracts import artifact
from unionveil_ocean.errors import SettingError
from unionveil_ocean.sandbox.node import OfflineNode

WHOLE = 10**18


@pytest.fixture(scope="module")
def ocean_lib():
    """The library's parts, or a skip: it needs Python 3.10 or 3.11 and a separate environment."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages as old as it is
        reason = (
            "no ocean-lib here; its pins need an environment of their own: pip install '.[test,ocean-lib]'"
        )
        pytest.importorskip("ocean_lib", reason=reason)
        from ocean_lib.assets.ddo import DDO
        from ocean_lib.models.data_nft import DataNFT
        from ocean_lib.models.datatoken_base import DatatokenBase
        from ocean_lib.ocean.util import create_checksum
    return SimpleNamespace(
        DDO=DDO, DataNFT=DataNFT, DatatokenBase=DatatokenBase, create_checksum=create_checksum
    )


@pytest.fixture
def config(ocean_lib, chain, tmp_path):
    """As ocean-lib's users write it, for the chain of the tests."""
    found = chain.addresses
    addresses = {"chainId": chain.chain_id, "Dispenser": found.dispenser, "Ocean": found.ocean}
    file = tmp_path / "address.json"
    file.write_text(json.dumps({"embedded": addresses}))
    return {
        "web3_instance": chain.web3,
        "CHAIN_ID": chain.chain_id,
        "NETWORK_NAME": "embedded",
        "ADDRESS_FILE": str(file),
    }


def published(asset, chain, tmp_path, name):
    node = OfflineNode({file["url"]: b"content" for file in asset.files})
    return publish(asset, chain, node, tmp_path / f"{name}.json"), node


def test_its_wrappers_open_the_data_nft_and_the_datatoken(ocean_lib, config, chain, tmp_path):
    done, _ = published(algorithm(), chain, tmp_path, "algorithm")
    nft = ocean_lib.DataNFT(config, done.nft)
    assert nft.calculate_did() == done.did
    assert nft.ownerOf(1) == chain.address
    assert nft.getTokensList() == [done.datatoken]
    assert nft.getMetaData()[2:] == [0, True]
    token = ocean_lib.DatatokenBase.get_typed(config, done.datatoken)
    assert (token.getId(), token.symbol(), token.getERC721Address()) == (1, "UVEIL", done.nft)
    assert token.isMinter(chain.address)


def test_its_user_gets_a_datatoken_of_ours(ocean_lib, config, chain, tmp_path):
    done, _ = published(algorithm(), chain, tmp_path, "algorithm")
    token = ocean_lib.DatatokenBase.get_typed(config, done.datatoken)
    buyer = chain.accounts[6]
    assert token.dispenser_status().active
    token.dispense(WHOLE, {"from": buyer})
    assert token.balanceOf(buyer.address) == WHOLE


def test_its_ddo_class_reads_ours(ocean_lib, chain, tmp_path):
    asset, stranger = algorithm(), chain.accounts[7].address
    done, node = published(asset, chain, tmp_path, "algorithm")
    entry = trusted_algorithm(done.ddo, node)
    data = dataset(closed_compute([entry]))
    trusting, _ = published(data, chain, tmp_path, "dataset")
    for publication in (done, trusting):
        ours = publication.ddo.as_dict()
        theirs = ocean_lib.DDO.from_dict(ours)
        assert theirs.did == publication.did
        kept = theirs.as_dictionary()
        assert kept.pop("services")[0].items() >= ours.pop("services")[0].items()  # it adds a name
        assert kept.items() >= ours.items()
    (service,) = ocean_lib.DDO.from_dict(trusting.ddo.as_dict()).services
    (trusted,) = service.get_trusted_algorithms()
    assert trusted["did"] == done.did
    container = ocean_lib.DDO.from_dict(done.ddo.as_dict()).metadata["algorithm"]["container"]
    assert trusted["containerSectionChecksum"] == ocean_lib.create_checksum(
        container["entrypoint"] + container["checksum"]
    )
    denied = done.ddo.model_copy(update={"credentials": credentials_of((), (stranger,))})
    assert ocean_lib.DDO.from_dict(denied.as_dict()).denied_addresses == [stranger.lower()]


def test_the_contracts_that_it_pins_have_no_escrow_and_that_is_said(ocean_lib, chain):
    if chain.addresses.escrow is not None:
        pytest.skip("a newer ocean-contracts than ocean-lib's pin is installed")
    with pytest.raises(SettingError, match="pip install"):
        artifact("Escrow")
