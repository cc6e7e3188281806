"""Stands where the Ocean node stands, for an embedded chain: no node could reach a chain inside this process.

It keeps no secret and promises none: files are encrypted with a key that is thrown away, and a DDO is served
as soon as it was checked.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from Crypto.Cipher import AES
from eth_account.signers.local import LocalAccount

from ..errors import NodeError
from ..jsjson import stringify

__all__ = ["LocalFile", "OfflineNode"]


@dataclass(frozen=True)
class LocalFile:
    """Size and SHA-256 of a file's bytes, as a node's `fileInfo` tells them."""

    size_bytes: int
    checksum: str


class OfflineNode:
    """Does what publishing asks of a node, as far as that makes sense without one.

    Args:
        contents: bytes of files by their address, for `file_info`.
    """

    url = "http://127.0.0.1:8001"

    def __init__(self, contents: Mapping[str, bytes] | None = None) -> None:
        self._contents = dict(contents or {})
        self._ddos: dict[str, dict[str, Any]] = {}
        self._files: dict[str, list[dict[str, Any]]] = {}

    def encrypt(
        self,
        files: Sequence[Mapping[str, Any]],
        nft: str,
        datatoken: str,
        account: LocalAccount,  # noqa: ARG002
    ) -> str:
        """As long as a node's answer, but nobody can open it."""
        self._files[nft] = [dict(file) for file in files]
        body = {"datatokenAddress": datatoken, "nftAddress": nft, "files": [dict(file) for file in files]}
        return self._encrypt(body)

    def encrypt_ddo(self, ddo: Mapping[str, Any], account: LocalAccount) -> str:  # noqa: ARG002
        """As `encrypt`."""
        return self._encrypt(ddo)

    def _encrypt(self, value: Mapping[str, Any]) -> str:
        # ECIES as nodes write it: an ephemeral public key (65 bytes), nonce and tag (16 each), the text.
        cipher = AES.new(secrets.token_bytes(32), AES.MODE_GCM, nonce=secrets.token_bytes(16))
        text, tag = cipher.encrypt_and_digest(stringify(value).encode())
        return "0x" + (b"\x04" + secrets.token_bytes(64) + cipher.nonce + tag + text).hex()

    def file_info(self, file: Mapping[str, Any]) -> LocalFile:
        """Digest of the bytes that were handed over for the address, or for the asset's only file.

        Raises:
            NodeError: there are none.
        """
        if "did" in file:
            nft = self._ddos.get(str(file["did"]), {}).get("nftAddress", "")
            file = next(iter(self._files.get(nft, ())), {})
        data = self._contents.get(str(file.get("url")))
        if data is None:
            raise NodeError(self.url, None, "there is no node here that could fetch the file")
        return LocalFile(len(data), hashlib.sha256(data).hexdigest())

    def validate(self, ddo: Mapping[str, Any], account: LocalAccount) -> dict[str, Any]:  # noqa: ARG002
        """Keeps the DDO, so that `wait_until_indexed` finds it."""
        self._ddos[str(ddo["id"])] = dict(ddo)
        return {}

    def ddo(self, did: str) -> dict[str, Any] | None:
        """The DDO that was validated last."""
        return self._ddos.get(did)

    def wait_until_indexed(
        self,
        did: str,
        tx_hash: str | None = None,  # noqa: ARG002
        seconds: float = 120,  # noqa: ARG002
    ) -> dict[str, Any]:
        """As `ddo`; there is nothing to wait for."""
        found = self._ddos.get(did)
        if found is None:
            raise NodeError(self.url, None, f"{did} was not published here")
        return found
