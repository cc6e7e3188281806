"""Assets for the tests of publishing."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from unionveil_ocean.assets.asset import (
    AlgorithmFile,
    Asset,
    DatasetFile,
    algorithm_metadata,
    dataset_metadata,
    now,
)
from unionveil_ocean.assets.ddo import Compute
from unionveil_ocean.assets.pricing import Free, Pricing
from unionveil_ocean.assets.trust import closed_compute
from unionveil_ocean.sandbox.chain import EmbeddedChain

CHECKOUT = Path(__file__).resolve().parents[1]
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
    return Asset(algorithm_metadata(file, now()), files, "access", pricing)


def dataset(compute: Compute, *, url: str = "https://files.example/photos.zip") -> Asset:
    file = DatasetFile(
        name="Street photos", description="Photos of a data union.", author="A union", license="CC-BY-4.0"
    )
    files = ({"type": "url", "url": url, "method": "GET"},)
    return Asset(dataset_metadata(file, now()), files, "compute", Free(), compute=compute)


def introduce(chain: EmbeddedChain, account: LocalAccount) -> None:
    """Older releases of eth-tester run no call of an account that they do not know."""
    chain.web3.provider.ethereum_tester.add_account("0x" + bytes(account.key).hex())


def skip_without_escrow(chain: EmbeddedChain) -> None:
    if chain.addresses.escrow is None:
        pytest.skip("the ocean-contracts that ocean-lib pins have no escrow, so no compute can be paid")


__all__ = [
    "CHECKOUT",
    "CONTAINER",
    "URL",
    "algorithm",
    "closed_compute",
    "dataset",
    "introduce",
    "skip_without_escrow",
]
