"""Assets for the tests of publishing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from web3.providers.eth_tester import EthereumTesterProvider

from unionveil_ocean.assets.asset import Asset
from unionveil_ocean.assets.ddo import DDO, Compute, Place
from unionveil_ocean.assets.files import AlgorithmFile, DatasetFile
from unionveil_ocean.assets.pricing import Free, Pricing
from unionveil_ocean.assets.publisher import Publication, Publisher
from unionveil_ocean.assets.trust import closed_compute
from unionveil_ocean.chain.connection import Chain
from unionveil_ocean.chain.journal import Journal
from unionveil_ocean.node.protocol import Node
from unionveil_ocean.sandbox.chain import EmbeddedChain

CHECKOUT = Path(__file__).resolve().parents[2]
URL = "https://files.example/main.py?token=very-secret-token"
CONTAINER = {
    "image": "unionveil",
    "tag": "0.1.0",
    "checksum": "sha256:" + "ab" * 32,
    "entrypoint": "/opt/unionveil/bin/python -I /opt/unionveil/main.py",
}


def algorithm(pricing: Pricing = Free(), *, url: str = URL, **changes: object) -> Asset:  # noqa: B008
    described = {
        "name": "UnionVeil: removes faces",
        "description": "Removes faces from photos.",
        "author": "Somebody",
        "license": "MIT",
        "container": CONTAINER,
    }
    file = AlgorithmFile.model_validate({**described, **changes})
    files = ({"type": "url", "url": url, "method": "GET"},)
    return Asset(file.metadata(), files, "access", pricing)


def dataset(compute: Compute, *, url: str = "https://files.example/photos.zip") -> Asset:
    file = DatasetFile(
        name="Street photos", description="Photos of a data union.", author="A union", license="CC-BY-4.0"
    )
    files = ({"type": "url", "url": url, "method": "GET"},)
    return Asset(file.metadata(), files, "compute", Free(), compute=compute)


def publish(asset: Asset, chain: Chain, node: Node, path: Path) -> Publication:
    """Publishes with a journal at a path."""
    with Journal(path, chain) as journal:
        publisher = Publisher(journal, node)
        return publisher.publish(publisher.plan(asset))


def build_ddo(asset: Asset, nft: str, datatoken: str, chain_id: int, files: str, endpoint: str) -> DDO:
    """The DDO of an asset at given addresses."""
    place = Place(nft, datatoken, asset.service_id(datatoken))
    return asset.draft(chain_id, endpoint).completed(place, files)


def introduce(chain: EmbeddedChain, account: LocalAccount) -> None:
    """Registers an account: older releases of eth-tester refuse calls from unknown ones."""
    assert isinstance(chain.web3.provider, EthereumTesterProvider)
    tester: Any = chain.web3.provider.ethereum_tester
    tester.add_account("0x" + bytes(account.key).hex())


def skip_without_escrow(chain: EmbeddedChain) -> None:
    if chain.addresses.escrow is None:
        pytest.skip("the ocean-contracts that ocean-lib pins have no escrow, so no compute can be paid")


__all__ = [
    "CHECKOUT",
    "CONTAINER",
    "URL",
    "algorithm",
    "build_ddo",
    "closed_compute",
    "dataset",
    "introduce",
    "publish",
    "skip_without_escrow",
]
