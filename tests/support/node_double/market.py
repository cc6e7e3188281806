"""An algorithm and a data set on the chain, published through the node with the product's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paths import REPOSITORY
from unionveil_ocean.assets.asset import Asset
from unionveil_ocean.assets.ddo import DDO, Credentials
from unionveil_ocean.assets.files import AlgorithmFile, DatasetFile, StorageFile, UrlFile, read_metadata
from unionveil_ocean.assets.pricing import Free, Pricing
from unionveil_ocean.assets.publisher import Publisher
from unionveil_ocean.assets.trust import closed_compute, trusted_algorithm
from unionveil_ocean.chain.connection import Chain
from unionveil_ocean.chain.journal import Journal
from unionveil_ocean.node.client import NodeClient

from .files import FileServer

CHECKSUM = "sha256:" + "5" * 64


@dataclass(frozen=True)
class Market:
    """Published assets.

    Attributes:
        algorithm: of UnionVeil, with `algorithm/main.py` as its file.
        dataset: trusts exactly that algorithm.
        files: serves both; changes are served at once.
    """

    algorithm: DDO
    dataset: DDO
    files: FileServer


def open_market(
    publisher: Chain,
    node: NodeClient,
    files: FileServer,
    folder: Path,
    inputs: Mapping[str, bytes],
    *,
    pricing: Pricing | None = None,
    timeout_seconds: int = 3600,
    credentials: Credentials | None = None,
    stored: StorageFile | None = None,
) -> Market:
    """Publishes both.

    Args:
        publisher: with the account that publishes.
        node: that encrypts and indexes.
        files: gets the algorithm's file and the inputs.
        folder: for journals.
        inputs: files of the data set; a node hands the first one to jobs.
        pricing: of both; free by default.
        timeout_seconds: how long an order is valid.
        credentials: wallets that may use the data set; None lets everybody.
        stored: the data set's file in the node's own storage, instead of `inputs`.
    """
    algorithm = publish_algorithm(
        publisher, node, files, folder, pricing=pricing, timeout_seconds=timeout_seconds
    )
    own = (
        [UrlFile(url=files.add(name, data)) for name, data in inputs.items()] if stored is None else [stored]
    )
    described = read_metadata(REPOSITORY / "metadata" / "dataset.json", DatasetFile)
    asset = Asset(
        described.metadata(),
        tuple(file.as_dict() for file in own),
        "compute",
        pricing or Free(),
        compute=closed_compute([trusted_algorithm(algorithm, node)]),
        timeout_seconds=timeout_seconds,
        credentials=credentials,
    )
    return Market(algorithm, put(asset, publisher, node, folder / "dataset.json"), files)


def publish_algorithm(
    publisher: Chain,
    node: NodeClient,
    files: FileServer,
    folder: Path,
    *,
    pricing: Pricing | None = None,
    timeout_seconds: int = 3600,
    name: str = "main.py",
) -> DDO:
    """Publishes the algorithm; see `open_market`."""
    described = read_metadata(REPOSITORY / "metadata" / "algorithm.json", AlgorithmFile)
    container = described.container.model_copy(update={"checksum": CHECKSUM})
    url = files.add(name, (REPOSITORY / "algorithm" / "main.py").read_bytes())
    asset = Asset(
        described.model_copy(update={"container": container}).metadata(),
        (UrlFile(url=url).as_dict(),),
        "access",
        pricing or Free(),
        timeout_seconds=timeout_seconds,
    )
    return put(asset, publisher, node, folder / f"{name}.json")


def put(asset: Asset, publisher: Chain, node: NodeClient, path: Path) -> DDO:
    with Journal(path, publisher) as journal:
        publishing = Publisher(journal, node)
        return publishing.publish(publishing.plan(asset)).ddo
