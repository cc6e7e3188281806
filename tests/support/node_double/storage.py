"""Files as a node keeps and fetches them: encrypted to its key, and over HTTP."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import ecies
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey

from .settings import Settings
from .wire import Json, Refusal

STORED = "nodePersistentStorage"
"""Type of a file in the node's own storage."""

MOST_CHECKSUM_BYTES = (10 << 20) + 65536
"""utils/asset.ts: a node stops after the chunk in which it passes 10 MiB."""


class Vault:
    """Encrypts to the node's own key, as components/KeyManager does with ECIES."""

    def __init__(self, account: LocalAccount) -> None:
        self._key = "0x" + bytes(account.key).hex()
        self._public = PrivateKey(bytes(account.key)).public_key.to_hex()

    def encrypt(self, data: bytes) -> bytes:
        return bytes(ecies.encrypt(self._public, data))

    def decrypt(self, data: bytes) -> bytes:
        """Raises ValueError if it was encrypted to another key."""
        return bytes(ecies.decrypt(self._key, data))

    def content_of(self, service: Json) -> Json:
        """The content of a service's `files`: addresses of the files, data NFT and datatoken.

        Raises:
            Refusal: another node encrypted it.
        """
        try:
            data = self.decrypt(bytes.fromhex(service["files"].removeprefix("0x")))
        except Exception as error:
            raise Refusal(500, "Unable to decrypt files, files not served by the current node!") from error
        content: Json = json.loads(data)
        return content

    def files_of(self, service: Json) -> list[Json]:
        """The addresses of a service's files; see `content_of`."""
        files: list[Json] = self.content_of(service)["files"]
        return files


class Storage:
    """Fetches files by their addresses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def url_of(self, file: Json) -> str:
        """As components/storage/IpfsStorage.ts and ArweaveStorage.ts.

        Raises:
            Refusal: it needs a gateway, and none is configured.
        """
        match file["type"]:
            case "ipfs":
                place = f"/ipfs/{file['hash']}"
            case "arweave":
                place = f"/{file['transactionId']}"
            case _:
                return str(file["url"])
        if self._settings.gateway is None:
            raise Refusal(500, f"Error validating the {file['type']} file: gateway is not configured!")
        return self._settings.gateway + place

    def name_of(self, file: Json) -> str:
        if file["type"] == STORED:
            return str(file["fileName"])
        return urlsplit(self.url_of(file)).path.split("/")[-1]

    def metadata(self, file: Json) -> Json:
        """As utils/asset.ts fetchFileMetadata: a file that cannot be fetched counts as empty."""
        data = (self._data(file) or b"")[:MOST_CHECKSUM_BYTES]
        return {
            "valid": True,
            "contentLength": str(len(data)),
            "contentType": "application/octet-stream",
            "checksum": hashlib.sha256(data).hexdigest(),
            "name": self.name_of(file),
            "type": file["type"],
        }

    def save(self, file: Json, path: Path) -> bool:
        """Writes a file to a path; False if it cannot be fetched."""
        data = self._data(file)
        if data is None:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return True

    def _data(self, file: Json) -> bytes | None:
        if file["type"] == STORED:
            return self._settings.stored.get(f"{file['bucketId']}/{file['fileName']}")
        return _fetch(self.url_of(file))


def _fetch(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - a test's own server
            return bytes(answer.read())
    except (urllib.error.URLError, OSError, ValueError):
        return None
