"""The index of DDOs (Indexer/processors/MetadataEventProcessor.ts)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from web3 import Web3

from unionveil_ocean.chain.connection import Chain

from .storage import Vault
from .wire import Json, Received, Refusal


class Index:
    """Reads the chain from now on; an operator chooses where indexing begins.

    Args:
        chain: whose events it reads.
        vault: opens hidden DDOs.
    """

    def __init__(self, chain: Chain, vault: Vault) -> None:
        self._chain, self._vault = chain, vault
        self._ddos: dict[str, Json] = {}
        # eth-tester is slow at reading old blocks.
        self._next_block = chain.web3.eth.block_number + 1

    def serve(self, received: Received) -> Json:
        ddo = self.find(received.path.rsplit("/", 1)[-1])
        # An asset that is not active leaves a stub, which a node does not serve.
        if ddo is None or ddo["version"] == "deprecated":
            raise Refusal(404, "DDO not found")
        return ddo

    def find(self, did: str) -> Json | None:
        self._read_blocks()
        return self._ddos.get(did)

    def ordable(self, did: str) -> Json:
        """The DDO of an asset that may be ordered.

        Raises:
            Refusal: the node does not have it, or its state forbids orders.
        """
        ddo = self.find(did)
        if ddo is None:
            raise Refusal(500, f"DDO {did} not found")
        # downloadHandler.isOrderingAllowedForAsset: `in` looks at indices, so 0 and 1 pass.
        if ddo["indexedMetadata"]["nft"]["state"] not in (0, 1):
            raise Refusal(
                500, "Nft not present in the asset or the state is different than ACTIVE or UNLISTED."
            )
        return ddo

    def _read_blocks(self) -> None:
        web3 = self._chain.web3
        last = web3.eth.block_number
        if self._next_block > last:
            return
        events = self._chain.contract("ERC721Template", self._chain.addresses.factory).events
        logs = web3.eth.get_logs({"fromBlock": self._next_block, "toBlock": last})
        self._next_block = last + 1
        for log in logs:
            if not log["topics"]:
                continue
            for name in ("MetadataCreated", "MetadataUpdated", "MetadataState"):
                try:
                    event = getattr(events, name)().process_log(log)
                except Exception:  # noqa: S112 - an event of another kind
                    continue
                self._process(event, name)

    def _process(self, event: Any, name: str) -> None:
        address, chain_id = event["address"], self._chain.chain_id
        did = "did:op:" + hashlib.sha256(f"{address}{chain_id}".encode()).hexdigest()
        state = event["args"]["state"]
        if state in (2, 3):
            self._ddos[did] = {
                "id": did,
                "version": "deprecated",
                "chainId": chain_id,
                "nftAddress": address,
                "indexedMetadata": {"nft": {"state": state}},
            }
        elif name == "MetadataState":
            if did in self._ddos:
                self._ddos[did]["indexedMetadata"]["nft"]["state"] = state
        elif (ddo := self._ddo_in(event)) is not None and ddo.get("id") == did:
            self._ddos[did] = {
                **ddo,
                "nftAddress": address,
                "chainId": chain_id,
                "indexedMetadata": {
                    "nft": {"state": state, "address": address},
                    "event": {
                        "txid": Web3.to_hex(event["transactionHash"]),
                        "contract": address,
                        "block": event["blockNumber"],
                    },
                },
            }

    def _ddo_in(self, event: Any) -> Json | None:
        """The DDO of an event; None if its hash is wrong or another node encrypted it."""
        flags = int.from_bytes(bytes(event["args"]["flags"]), "big")
        data = bytes(event["args"]["data"])
        if flags & 2:
            try:
                data = self._vault.decrypt(data)
            except ValueError:  # the indexer logs that and continues
                return None
            digest = hashlib.sha256(data).digest()
        else:
            digest = hashlib.sha256(("0x" + data.hex()).encode()).digest()
        ddo: Json = json.loads(data)
        return ddo if digest == bytes(event["args"]["metaDataHash"]) else None


def service_of(ddo: Json, service_id: str | None) -> Json:
    """The service of an id.

    Raises:
        Refusal: the DDO does not have it.
    """
    for service in ddo.get("services", []):
        if service["id"] == service_id:
            found: Json = service
            return found
    raise Refusal(500, f"Cannot find service {service_id} in DDO {ddo['id']}")
