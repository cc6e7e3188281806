"""The provider (core/handler/encryptHandler.ts, fileInfoHandler.ts, ddoHandler.ts)."""

from __future__ import annotations

import hashlib

from .index import Index, service_of
from .nonces import Nonces
from .storage import STORED, Storage, Vault
from .wire import Json, Received, Refusal


class Provider:
    """Encrypts, describes files and validates DDOs.

    Args:
        nonces: check who asks.
        vault: holds the node's key.
        storage: fetches files.
        index: of DDOs.
        address: of the node's account.
    """

    def __init__(self, nonces: Nonces, vault: Vault, storage: Storage, index: Index, address: str) -> None:
        self._nonces, self._vault, self._storage, self._index = nonces, vault, storage, index
        self._address = address

    def encrypt(self, received: Received) -> bytes:
        self._nonces.authenticate(received.query, "encrypt")
        if not received.body:
            raise Refusal(400, "Missing required body")
        return ("0x" + self._vault.encrypt(received.body).hex()).encode()

    def file_info(self, received: Received) -> list[Json]:
        given = received.json
        if given.get("did"):
            service = service_of(self._index.ordable(given["did"]), given.get("serviceId"))
            return [self._storage.metadata(file) for file in self._vault.files_of(service)]
        if given.get("type") not in ("url", "ipfs", "arweave", STORED):
            raise Refusal(400, "Invalid request parameters")
        if given["type"] == STORED and not given.get("consumerAddress"):
            text = "Invalid Request: consumerAddress is required for nodePersistentStorage files"
            raise Refusal(400, text)
        return [self._storage.metadata(given)]

    def validate(self, received: Received) -> Json:
        given = received.json
        ddo = given.get("ddo") or {}
        if not str(ddo.get("id", "")).startswith("did:op"):
            raise Refusal(400, "Missing or invalid DID")
        self._nonces.authenticate(given, "validateDDO", "publisherAddress")
        if not _is_whole(ddo):
            raise Refusal(400, "Validation error: [object Object]")
        return {"hash": hashlib.sha256(received.body).hexdigest(), "publicKey": self._address}


def _is_whole(ddo: Json) -> bool:
    """Whether a DDO has the fields that the node's SHACL shapes require (schemas/*.ttl)."""
    metadata = ddo.get("metadata") or {}
    is_whole = bool(
        ddo.get("version")
        and metadata.get("type") in ("algorithm", "dataset")
        and len(metadata.get("name", "")) >= 4
        and len(metadata.get("description", "")) >= 10
        and ddo.get("services")
    )
    if metadata.get("type") != "algorithm":
        return is_whole
    container = (metadata.get("algorithm") or {}).get("container") or {}
    return is_whole and all(container.get(key) for key in ("entrypoint", "image", "tag", "checksum"))
