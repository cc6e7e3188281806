"""Measures the gas of a publication beforehand, on a chain inside this process."""

from __future__ import annotations

from functools import cache

from ..assets.ddo import Place
from ..assets.pricing import FixedRate, creation_call
from ..assets.publisher import Plan, created, metadata_call
from .chain import EmbeddedChain, embedded_chain
from .node import OfflineNode


@cache
def _stage() -> EmbeddedChain:
    return embedded_chain()


def rehearse(plan: Plan, node_url: str, *, encrypt: bool = False) -> dict[str, int]:
    """Sends a plan's transactions to an embedded chain, with the same contracts and the same metadata.

    Args:
        plan: from `Publisher.plan`.
        node_url: of the node, because its length counts.
        encrypt: hide the DDO, which costs more.

    Returns:
        Gas by step.
    """
    chain, node, asset = _stage(), OfflineNode(), plan.asset
    pricing = asset.pricing
    if isinstance(pricing, FixedRate):
        pricing = FixedRate(pricing.rate_wei, str(chain.addresses.ocean), "OCEAN", 18)
    creation = chain.send(creation_call(chain, asset.token_name, asset.symbol, pricing))
    made = created(chain, creation)
    place = Place(made["nft"], made["datatoken"], asset.service_id(made["datatoken"]))
    files = node.encrypt(asset.files, place.nft, place.datatoken, chain.account)
    ddo = plan.draft.completed(place, files)
    payload = ddo.payload(node.encrypt_ddo(ddo.as_dict(), chain.account) if encrypt else None)
    written = chain.send(metadata_call(chain, place.nft, node_url, payload))
    gas = {"create": int(creation["gasUsed"]), "set metadata": int(written["gasUsed"])}
    if plan.place is not None:
        del gas["create"]
    return gas
