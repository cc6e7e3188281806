"""Stands in for the Ocean node of an embedded chain: a real node cannot reach a chain in this process.

It keeps no secrets: files are encrypted with a key that is thrown away, and a DDO is served as soon as it was
checked. It runs no jobs.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from Crypto.Cipher import AES
from eth_account.signers.local import LocalAccount

from ..errors import NodeError
from ..jsjson import JsonObject, stringify
from ..node.answers import Environment, FileInfo, Initialized, Job


class OfflineNode:
    """The `Node` of an embedded chain.

    Args:
        contents: bytes of files by their address, for `file_info`.
        url: goes into the DDOs.
    """

    def __init__(
        self, contents: Mapping[str, bytes] | None = None, *, url: str = "http://127.0.0.1:8001"
    ) -> None:
        self.url = url
        self._contents = dict(contents or {})
        self._ddos: dict[str, JsonObject] = {}
        self._files: dict[str, list[JsonObject]] = {}

    def encrypt(
        self, files: Sequence[Mapping[str, object]], nft: str, datatoken: str, account: LocalAccount
    ) -> str:
        """Returns as many bytes as a node, but nobody can decrypt them."""
        self._files[nft] = [dict(file) for file in files]
        body = {"datatokenAddress": datatoken, "nftAddress": nft, "files": [dict(file) for file in files]}
        return self.encrypt_ddo(body, account)

    def encrypt_ddo(self, ddo: Mapping[str, object], account: LocalAccount) -> str:  # noqa: ARG002
        """As `encrypt`."""
        # ECIES as nodes write it: an ephemeral public key (65 bytes), nonce and tag (16 each), the text.
        cipher = AES.new(secrets.token_bytes(32), AES.MODE_GCM, nonce=secrets.token_bytes(16))
        text, tag = cipher.encrypt_and_digest(stringify(ddo).encode())
        return "0x" + (b"\x04" + secrets.token_bytes(64) + cipher.nonce + tag + text).hex()

    def file_info(self, file: Mapping[str, object]) -> FileInfo:
        """Reads the contents given to the constructor; raises NodeError for other files."""
        if "did" in file:
            nft = self._ddos.get(str(file["did"]), {}).get("nftAddress", "")
            file = next(iter(self._files.get(nft, ())), {})
        data = self._contents.get(str(file.get("url")))
        if data is None:
            raise self._unable("there is no node here that could fetch the file")
        return FileInfo(size_bytes=len(data), checksum=hashlib.sha256(data).hexdigest())

    def can_read(self, file: Mapping[str, object]) -> bool:  # noqa: ARG002
        """Returns True: nothing is ever fetched here."""
        return True

    def validate(self, ddo: Mapping[str, object], account: LocalAccount) -> None:  # noqa: ARG002
        """Keeps the DDO, so that `wait_until_indexed` finds it."""
        self._ddos[str(ddo["id"])] = dict(ddo)

    def ddo(self, did: str) -> JsonObject | None:
        """The DDO that was validated last."""
        return self._ddos.get(did)

    def wait_until_indexed(
        self,
        did: str,
        tx_hash: str | None = None,  # noqa: ARG002
        seconds: float = 120,  # noqa: ARG002
    ) -> JsonObject:
        """Returns `ddo` at once."""
        found = self._ddos.get(did)
        if found is None:
            raise self._unable(f"{did} was not published here")
        return found

    def environments(self) -> tuple[Environment, ...]:
        """None."""
        return ()

    def initialize_compute(self, job: Mapping[str, object], consumer: str) -> Initialized:  # noqa: ARG002
        """Refuses."""
        raise self._no_jobs()

    def start_free(self, job: Mapping[str, object], account: LocalAccount) -> Job:  # noqa: ARG002
        """Refuses."""
        raise self._no_jobs()

    def start_paid(self, job: Mapping[str, object], account: LocalAccount) -> Job:  # noqa: ARG002
        """Refuses."""
        raise self._no_jobs()

    def jobs(self, consumer: str, job_id: str | None = None) -> tuple[Job, ...]:  # noqa: ARG002
        """None."""
        return ()

    def fetch_result(
        self,
        job_id: str,  # noqa: ARG002
        index: int,  # noqa: ARG002
        account: LocalAccount,  # noqa: ARG002
        file: Path,  # noqa: ARG002
        most_bytes: int,  # noqa: ARG002
    ) -> int:
        """Refuses."""
        raise self._no_jobs()

    def _no_jobs(self) -> NodeError:
        return self._unable("an embedded chain runs no jobs; name a network and a node")

    def _unable(self, why: str) -> NodeError:
        return NodeError(self.url, None, why)
