"""What the flows need of an Ocean node: provider, index and compute in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from eth_account.signers.local import LocalAccount

from ..jsjson import JsonObject
from .answers import Environment, FileInfo, Initialized, Job


class Node(Protocol):
    """An Ocean node; every method raises NodeError if the node refuses or gives no usable answer."""

    @property
    def url(self) -> str:
        """Goes into the DDO."""
        ...

    def encrypt(
        self, files: Sequence[Mapping[str, object]], nft: str, datatoken: str, account: LocalAccount
    ) -> str:
        """Encrypts the addresses of files for an asset; "0x..." hexadecimal, for a service's `files`.

        Args:
            files: e.g. `{"type": "url", "url": ..., "method": "GET"}`.
            nft: address of the data NFT.
            datatoken: address of the datatoken.
            account: signs the request.
        """
        ...

    def encrypt_ddo(self, ddo: Mapping[str, object], account: LocalAccount) -> str:
        """Encrypts a DDO for the chain (flag 2 of `setMetaData`); "0x..."."""
        ...

    def file_info(self, file: Mapping[str, object]) -> FileInfo:
        """Size and SHA-256 of a file, named by its address or by `did` and `serviceId` of an asset."""
        ...

    def can_read(self, file: Mapping[str, object]) -> bool:
        """Whether the node can fetch the file that an address names, or every file of an asset.

        Args:
            file: as of `file_info`; of any size.
        """
        ...

    def validate(self, ddo: Mapping[str, object], account: LocalAccount) -> None:
        """Lets the node check a DDO. A node does not say what is wrong: check the DDO before."""
        ...

    def ddo(self, did: str) -> JsonObject | None:
        """The DDO that the node serves, None if it serves none."""
        ...

    def wait_until_indexed(self, did: str, tx_hash: str | None = None, seconds: float = 120) -> JsonObject:
        """Waits until the node serves the DDO, of a certain transaction if one is named.

        Raises:
            IndexingTimeout: it does not within `seconds`.
        """
        ...

    def environments(self) -> tuple[Environment, ...]:
        """Where the node runs jobs; none if it runs none."""
        ...

    def initialize_compute(self, job: Mapping[str, object], consumer: str) -> Initialized:
        """Cost of a paid job, and what has to be ordered before.

        Args:
            job: datasets, algorithm, environment, payment, maxJobDuration.
            consumer: address of the account.
        """
        ...

    def start_free(self, job: Mapping[str, object], account: LocalAccount) -> Job:
        """Starts a job that costs nothing; see `start_paid`."""
        ...

    def start_paid(self, job: Mapping[str, object], account: LocalAccount) -> Job:
        """Starts a job that was ordered and paid for. Sent once: no answer may mean that it runs."""
        ...

    def jobs(self, consumer: str, job_id: str | None = None) -> tuple[Job, ...]:
        """Jobs of an account, or the one of an id."""
        ...

    def fetch_result(
        self, job_id: str, index: int, account: LocalAccount, file: Path, most_bytes: int
    ) -> int:
        """Downloads one result of a job into a file, whole or not at all; returns its size in bytes.

        Args:
            job_id: as `start_free` and `start_paid` answer it.
            index: of the result.
            account: owns the job.
            file: written; replaced if it exists.
            most_bytes: more is refused.
        """
        ...
