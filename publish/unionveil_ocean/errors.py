"""Every error that publishing raises on purpose.

    UnionVeilError
    └── PublishError
        ├── SettingError         an option, a file or an environment variable is wrong
        ├── MissingExtra         a package of the `ocean` extra is not installed
        ├── InvalidDDO           the metadata breaks rules                  (names all of them at once)
        ├── NetworkMismatch      the RPC serves another chain than the one that was asked for
        ├── ChainError           the RPC cannot be reached or refuses
        ├── InsufficientFunds    the account cannot pay
        ├── NodeError            the Ocean node cannot be reached or refuses
        ├── TransactionFailed    the chain refused or reverted a transaction
        ├── IndexingTimeout      the node did not serve the DDO in time     (it may still come)
        ├── JournalError         the journal of an earlier run does not fit this one
        ├── OrderError           an asset cannot be ordered
        ├── UntrustedAlgorithm   the data set does not let this algorithm in
        └── JobFailed            a compute job ended without results

They carry their facts as attributes (passed by position, so that they survive pickling), never hold a key,
and read as one sentence that says what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unionveil.errors import UnionVeilError

from .money import money

__all__ = [
    "ChainError",
    "IndexingTimeout",
    "InsufficientFunds",
    "InvalidDDO",
    "JobFailed",
    "JournalError",
    "MissingExtra",
    "NetworkMismatch",
    "NodeError",
    "OrderError",
    "PublishError",
    "SettingError",
    "TransactionFailed",
    "UntrustedAlgorithm",
]


class PublishError(UnionVeilError):
    """Root of everything that goes wrong between a publisher, a chain and a node."""


class SettingError(PublishError):
    """An option, a file or an environment variable is missing or has a value that is not allowed."""


@dataclass(eq=False, repr=False)
class MissingExtra(PublishError):
    """A package that publishing needs is not installed.

    Attributes:
        package: name of the module that could not be imported.
    """

    package: str

    def __str__(self) -> str:
        return (
            f"the package {self.package!r} is missing; install those for publishing: pip install '.[ocean]'"
        )


class InvalidDDO(PublishError):
    """The metadata breaks rules of the DDO.

    Attributes:
        issues: one sentence for each broken rule.
    """

    def __init__(self, issues: Iterable[str]) -> None:
        self.issues = tuple(issues)
        super().__init__(self.issues)

    def __str__(self) -> str:
        return "the metadata is not valid: " + "; ".join(self.issues)


@dataclass(eq=False, repr=False)
class NetworkMismatch(PublishError):
    """The RPC serves another chain.

    Attributes:
        expected: chain id of the network that was asked for.
        actual: chain id that the RPC reports.
    """

    expected: int
    actual: int

    def __str__(self) -> str:
        return (
            f"the RPC serves chain {self.actual}, the network asked for is chain {self.expected}; "
            "nothing was signed; give the RPC of that network with --rpc-url, or name the other network"
        )


class ChainError(PublishError):
    """The RPC cannot be reached, or refuses a request."""


@dataclass(eq=False, repr=False)
class InsufficientFunds(PublishError):
    """The account cannot pay.

    Attributes:
        address: the account.
        needed: in the smallest unit of the token.
        available: in the smallest unit of the token.
        token: symbol of what is missing.
        decimals: of the token.
    """

    address: str
    needed: int
    available: int
    token: str
    decimals: int = 18

    def __str__(self) -> str:
        available = money(self.available, self.token, self.decimals, digits=6)
        needed = money(self.needed, self.token, self.decimals, digits=6).removesuffix(f" {self.token}")
        return (
            f"account {self.address} has {available} and needs {needed}; "
            "send it some and run the same command again"
        )


@dataclass(eq=False, repr=False)
class NodeError(PublishError):
    """The Ocean node cannot be reached, or refuses.

    Attributes:
        url: of the request, without its query.
        status: HTTP status; None without an answer.
        detail: the node's message, or what failed on the way.
        retry_seconds: how long the node asks the client to wait; None if it does not say.
    """

    url: str
    status: int | None
    detail: str = ""
    retry_seconds: float | None = None

    def __str__(self) -> str:
        said = f": {self.detail}" if self.detail else ""
        if self.status == 200:
            return f"the node at {self.url} sent an answer that cannot be used{said}"
        if self.status is None:
            return f"the node at {self.url} gives no answer{said}; check --node-url and that the node runs"
        return f"the node at {self.url} refuses (HTTP {self.status}){said}"


@dataclass(eq=False, repr=False)
class TransactionFailed(PublishError):
    """The chain refused or reverted a transaction.

    Attributes:
        tx_hash: "0x..." of the transaction; None if it was refused before it was signed.
        reason: the message of the contract or the RPC.
        action: purpose of the transaction, in a few words.
    """

    tx_hash: str | None
    reason: str = ""
    action: str = ""

    def __str__(self) -> str:
        what = f" ({self.action})" if self.action else ""
        why = f": {self.reason}" if self.reason else ""
        if self.tx_hash is None:
            return f"the chain would revert the transaction{what}{why}; nothing was signed"
        return f"transaction {self.tx_hash}{what} failed{why}"


@dataclass(eq=False, repr=False)
class IndexingTimeout(PublishError):
    """The node did not serve the DDO in time.

    Attributes:
        did: of the asset.
        seconds: waited.
    """

    did: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"the node has not indexed {self.did} after {self.seconds:.0f} s; it is on the chain, and "
            "running the same command again continues to wait; check that the node indexes this chain"
        )


class JournalError(PublishError):
    """An earlier run's journal cannot be read, or belongs to another publication."""


class OrderError(PublishError):
    """An asset cannot be ordered: nobody sells it, its price is above the limit, or its DDO forbids it."""


@dataclass(eq=False, repr=False)
class UntrustedAlgorithm(PublishError):
    """The data set does not let this algorithm in.

    Attributes:
        algorithm: its DID.
        dataset: its DID.
        reason: the mismatch.
    """

    algorithm: str
    dataset: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the data set {self.dataset} does not trust the algorithm {self.algorithm}: {self.reason}; "
            "its publisher can change that with publish/trust.py"
        )


@dataclass(eq=False, repr=False)
class JobFailed(PublishError):
    """A compute job ended without results.

    Attributes:
        job_id: the node's id of the job.
        reason: the message of the node or the algorithm.
    """

    job_id: str
    reason: str

    def __str__(self) -> str:
        return f"job {self.job_id} failed: {self.reason}"
