"""What gas costs: here, on other networks, and beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from ..assets.asset import Asset
from ..assets.pricing import FixedRate
from ..assets.publisher import publish
from ..chain.journal import Journal
from ..chain.networks import Network
from ..errors import ChainError
from .chain import EmbeddedChain, embedded_chain
from .node import OfflineNode

__all__ = ["gas_price_of", "rehearse"]


def gas_price_of(network: Network, rpc_url: str | None = None, timeout_seconds: float = 3) -> int:
    """Wei that a unit of gas costs on a network now, as its RPC proposes it; no account is needed.

    Raises:
        ChainError: no RPC is known, or it gives no answer in time.
    """
    url = rpc_url or network.rpc_url
    if url is None:
        raise ChainError(f"no public RPC is known for {network.name}")
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_gasPrice", "params": []}
    try:
        answer = httpx.post(url, json=question, timeout=timeout_seconds).json()
        return int(answer["result"], 16)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ChainError(f"the RPC of {network.name} gives no answer ({type(error).__name__})") from error


@cache
def _stage() -> EmbeddedChain:
    return embedded_chain()


def rehearse(asset: Asset, node_url: str, *, encrypt: bool = False) -> Mapping[str, int]:
    """Publishes on an embedded chain and counts the gas: the very contracts, the very metadata.

    Args:
        asset: what will be published.
        node_url: of the node, because its length counts.
        encrypt: hide the DDO; it costs more then.

    Returns:
        Gas by step.
    """
    chain = _stage()
    if isinstance(asset.pricing, FixedRate):
        token = str(chain.addresses.ocean)
        pricing = FixedRate(asset.pricing.rate_wei, token, "OCEAN", 18)
        asset = replace(asset, pricing=pricing)
    node = OfflineNode()
    node.url = node_url
    with (
        TemporaryDirectory(prefix="unionveil-") as folder,
        Journal(Path(folder) / "rehearsal.json", chain) as journal,
    ):
        return publish(asset, chain, node, journal, encrypt=encrypt).gas_used
