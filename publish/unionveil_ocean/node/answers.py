"""A node's answers, validated at the border: the fields in use are checked, all others are ignored."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ..jsjson import JsonObject


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control characters")
    return text


_Address: TypeAlias = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
_Bytes32: TypeAlias = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{64}$")]
_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_printable)]
"""Sent back to the node and shown unchanged."""
_Hash: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _empty_if_none(value: Any) -> Any:
    return {} if value is None else value


class FileSize(_Answer):
    """The part of a file that the node reads.

    Attributes:
        size_bytes: bytes that the node read, up to its own limit; 0 if it cannot read the file.
        valid: whether the node may read it.
    """

    size_bytes: int = Field(ge=0, validation_alias=AliasChoices("contentLength", "size_bytes"))
    valid: bool = True

    @property
    def is_readable(self) -> bool:
        """Whether the node read anything: its answer is the same for an empty and an unreachable file."""
        return self.valid and self.size_bytes > 0


class FileInfo(FileSize):
    """A file as the node sees it.

    Attributes:
        checksum: SHA-256 of the bytes read, hexadecimal.
        name: the file's name in a job.
    """

    checksum: _Hash
    name: str = ""


class Resource(_Answer):
    """Something that a job gets a share of: cpu in cores, ram and disk in gibibytes, or a device.

    Attributes:
        id: its name in a request.
        description: of a device, e.g. the model of a GPU.
        min, max: per job.
        total: of the environment.
    """

    id: str
    description: str | None = None
    min: float = 0
    max: float = 0
    total: float = 0


class Price(_Answer):
    """Price of one unit of a resource per minute, in whole tokens."""

    id: str
    price: float = Field(ge=0)


class TokenPrices(_Answer):
    """Prices in one token."""

    fee_token: _Address
    prices: tuple[Price, ...] = ()


class Access(_Answer):
    """Accounts that an environment serves.

    Attributes:
        addresses: of accounts.
        access_lists: contracts by chain, whose token holders are served; None if the node lists none.
    """

    addresses: tuple[str, ...] = ()
    access_lists: tuple[dict[str, tuple[_Address, ...]] | None, ...] | None = None

    @property
    def is_open(self) -> bool:
        """Whether everybody is served, by the rule of ocean-node (`validateAccess` in startCompute.ts).

        Addresses alone restrict nothing: a node ignores them unless it has access lists, even empty ones.
        """
        return self.access_lists is None or not (self.access_lists or self.addresses)

    def lists(self, chain_id: int) -> tuple[str, ...]:
        """Contracts on a chain whose token holders are served."""
        return tuple(
            one for by_chain in self.access_lists or () for one in (by_chain or {}).get(str(chain_id), ())
        )


class Features(_Answer):
    """Kinds of work that an environment accepts; from version 4 on, ocean-node also runs services."""

    compute_jobs: bool = True


class FreeOffer(_Answer):
    """Free jobs of an environment.

    Attributes:
        max_job_duration: in seconds.
        access: accounts that may run them; None is everybody.
    """

    max_job_duration: int = Field(0, ge=0)
    resources: tuple[Resource, ...] = ()
    access: Access | None = None

    @property
    def is_open(self) -> bool:
        """Whether everybody may run them."""
        return self.access is None or self.access.is_open


class Environment(_Answer):
    """A place where a node runs jobs.

    Attributes:
        id: hash of the engine, a dash, and a name.
        consumer_address: account that consumes the orders of its jobs and is paid.
        fees: prices by chain id.
        free: None if it runs no free jobs.
        max_job_duration, min_job_duration: of paid jobs, in seconds.
        enable_network: whether containers reach the network, regardless of the data set's settings.
        access: accounts that may run paid jobs; None is everybody.
        features: kinds of work that it accepts.
    """

    id: _Name
    description: str | None = None
    consumer_address: _Address
    fees: Annotated[dict[str, tuple[TokenPrices, ...]], BeforeValidator(_empty_if_none)] = {}
    free: FreeOffer | None = None
    max_job_duration: int = Field(0, ge=0)
    min_job_duration: int = Field(0, ge=0)
    resources: tuple[Resource, ...] = ()
    enable_network: bool | None = None
    access: Access | None = None
    features: Features | None = None

    @property
    def is_open(self) -> bool:
        """Whether everybody may run its paid jobs."""
        return self.access is None or self.access.is_open

    def tokens(self, chain_id: int) -> tuple[str, ...]:
        """Tokens that it accepts on a chain, in the exact form that the node compares."""
        return tuple(offer.fee_token for offer in self.fees.get(str(chain_id), ()))


class ProviderFee(_Answer):
    """A node's fee for serving an asset, signed by the node; part of the order."""

    provider_fee_address: _Address
    provider_fee_token: _Address
    provider_fee_amount: int = Field(ge=0, description="In the token's smallest unit.")
    v: int = Field(ge=0, le=255)
    r: _Bytes32
    s: _Bytes32
    valid_until: int = Field(ge=0)
    provider_data: str = Field(pattern=r"^0x([0-9a-fA-F]{2})*$")

    def as_tuple(self) -> tuple[str, str, int, int, str, str, int, str]:
        """The fields in the order of the contract's structure."""
        return (
            self.provider_fee_address,
            self.provider_fee_token,
            self.provider_fee_amount,
            self.v,
            self.r,
            self.s,
            self.valid_until,
            self.provider_data,
        )


class Order(_Answer):
    """A node's answer about one asset of a paid job.

    Attributes:
        valid_order: the transaction of an order that is still valid; None if a new one is needed.
        provider_fee: None if the earlier one is still valid.
        consumer_address: beneficiary of the order.
    """

    did: str | None = None
    service_id: str | None = None
    datatoken: _Address | None = None
    consumer_address: _Address | None = None
    valid_order: Annotated[
        _Bytes32 | None, BeforeValidator(lambda value: value if isinstance(value, str) else None)
    ] = None
    provider_fee: ProviderFee | None = None


class Payment(_Answer):
    """The most that a paid job can cost, and the contract that takes the payment."""

    escrow_address: _Address
    payee: _Address
    chain_id: int
    min_lock_seconds: int = Field(ge=0)
    token: _Address
    amount: int = Field(ge=0, description="In the token's smallest unit.")


class Initialized(_Answer):
    """Orders and payment that a job needs before it may start."""

    algorithm: Order
    datasets: tuple[Order, ...]
    payment: Payment


class JobResult(_Answer):
    """A file that a job produced."""

    index: int = Field(ge=0)
    filename: str
    filesize: int = Field(ge=0)
    type: str


class Termination(_Answer):
    """How the container ended."""

    exit_code: int | None = None
    oom_killed: bool | None = Field(None, validation_alias=AliasChoices("OOMKilled", "oom_killed"))


class Job(_Answer):
    """A job's state.

    Attributes:
        job_id: as returned by `start`, with the engine's hash in front; answers about the status omit it.
        status: C2DStatusNumber of ocean-node.
        date_finished: seconds since 1970; None while it runs.
    """

    job_id: _Name
    status: int
    status_text: str = ""
    date_finished: str | None = None
    environment: str | None = None
    metadata: Annotated[dict[str, Any], BeforeValidator(_empty_if_none)] = {}
    results: Annotated[
        tuple[JobResult, ...], BeforeValidator(lambda value: () if value is None else value)
    ] = ()
    termination_details: Termination | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen in the container."""
        return self.date_finished not in (None, "", "0")

    @property
    def has_failed(self) -> bool:
        """Whether it ended before the algorithm did. A failing algorithm shows in its exit code instead."""
        return self.status in FAILED


FAILED = frozenset({2, 11, 13, 14, 21, 22, 31, 32, 33, 41, 42, 61, 62})
"""C2DStatusNumber of ocean-node (src/@types/C2D/C2D.ts): the queue's time is over; the image cannot be
pulled, built, or is vulnerable; volume, container; data, algorithm, upload; algorithm cannot run, disk quota;
results."""


def indexed_transaction(ddo: JsonObject) -> str | None:
    """The transaction whose metadata a node serves, in lower case; None if the node does not name it."""
    event = _field(ddo, "indexedMetadata", "event") or _field(ddo, "event")
    found = _field(event, "txid") or _field(event, "tx")
    return found.lower() if isinstance(found, str) else None


def indexed_state(ddo: JsonObject) -> object:
    """The state of an asset's metadata that a node adds to its DDO; 0 (active) if it adds none."""
    state = _field(ddo, "indexedMetadata", "nft", "state")
    return 0 if state is None else state


def _field(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
