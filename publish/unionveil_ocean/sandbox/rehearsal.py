"""The gas of a publication, counted beforehand on a chain inside this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from ..assets.pricing import FixedRate
from ..assets.publisher import Plan, Publisher
from ..chain.journal import Journal
from .chain import EmbeddedChain, embedded_chain
from .node import OfflineNode


@cache
def _stage() -> EmbeddedChain:
    return embedded_chain()


def rehearse(plan: Plan, node_url: str, *, encrypt: bool = False) -> Mapping[str, int]:
    """Carries out a plan on an embedded chain and counts the gas: the very contracts, the very metadata.

    Args:
        plan: of a new asset, or of a version that will be published as an update.
        node_url: of the node, because its length counts.
        encrypt: hide the DDO; it costs more then.

    Returns:
        Gas by step.
    """
    chain, asset = _stage(), plan.asset
    if isinstance(asset.pricing, FixedRate):
        token = str(chain.addresses.ocean)
        asset = replace(asset, pricing=FixedRate(asset.pricing.rate_wei, token, "OCEAN", 18))
    with (
        TemporaryDirectory(prefix="unionveil-") as folder,
        Journal(Path(folder) / "rehearsal.json", chain) as journal,
    ):
        publisher = Publisher(journal, OfflineNode(url=node_url), encrypt)
        gas = dict(publisher.publish(publisher.plan(asset)).gas_used)
    if plan.place is not None:
        gas.pop("create")
    return gas
