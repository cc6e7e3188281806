"""The interface to an Ocean node: provider, index and compute in one."""

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
        """URL of the node, which goes into the DDO."""
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
        """Size and SHA-256 of a file, given by its address or by an asset's `did` and `serviceId`."""
        ...

    def can_read(self, file: Mapping[str, object]) -> bool:
        """Whether the node can fetch the file at an address, or every file of an asset.

        Args:
            file: as in `file_info`; of any size.
        """
        ...

    def validate(self, ddo: Mapping[str, object], account: LocalAccount) -> None:
        """Lets the node validate a DDO. Its answer does not explain failures, so check the DDO first."""
        ...

    def ddo(self, did: str) -> JsonObject | None:
        """The DDO that the node serves; None if it does not serve the asset."""
        ...

    def wait_until_indexed(self, did: str, tx_hash: str | None = None, seconds: float = 120) -> JsonObject:
        """Waits until the node serves the DDO, from a given transaction if there is one.

        Raises:
            IndexingTimeout: it does not within `seconds`.
        """
        ...

    def environments(self) -> tuple[Environment, ...]:
        """Environments that run jobs; may be empty."""
        ...

    def initialize_compute(self, job: Mapping[str, object], consumer: str) -> Initialized:
        """Cost of a paid job, and the orders that it needs.

        Args:
            job: datasets, algorithm, environment, payment, maxJobDuration.
            consumer: address of the account.
        """
        ...

    def start_free(self, job: Mapping[str, object], account: LocalAccount) -> Job:
        """Starts a job that costs nothing; see `start_paid`."""
        ...

    def start_paid(self, job: Mapping[str, object], account: LocalAccount) -> Job:
        """Starts a job that was ordered and paid for. Sent once: without an answer, it may be running."""
        ...

    def jobs(self, consumer: str, job_id: str | None = None) -> tuple[Job, ...]:
        """Jobs of an account, or the one with an id."""
        ...

    def fetch_result(
        self, job_id: str, index: int, account: LocalAccount, file: Path, most_bytes: int
    ) -> int:
        """Downloads one result of a job into a file, whole or not at all; returns its size in bytes.

        Args:
            job_id: as returned by `start_free` and `start_paid`.
            index: of the result.
            account: owns the job.
            file: destination; replaced if it exists.
            most_bytes: larger results are refused.
        """
        ...
