"""What a node answers, checked at the border: the fields that are used; everything else is let through."""

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
"""Sent back to the node as it is, and shown as it is."""
_Hash: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _empty_if_none(value: Any) -> Any:
    return {} if value is None else value


class FileSize(_Answer):
    """A file as far as the node reads it.

    Attributes:
        size_bytes: as many as the node read; it stops after its own limit. 0 if it cannot read the file.
        valid: whether the node may read it.
    """

    size_bytes: int = Field(ge=0, validation_alias=AliasChoices("contentLength", "size_bytes"))
    valid: bool = True

    @property
    def is_readable(self) -> bool:
        """Whether the node read anything: it answers alike for an empty file and one out of its reach."""
        return self.valid and self.size_bytes > 0


class FileInfo(FileSize):
    """A file as the node sees it.

    Attributes:
        checksum: SHA-256 of what it read, hexadecimal.
        name: under which a job finds it.
    """

    checksum: _Hash
    name: str = ""


class Resource(_Answer):
    """Something that a job takes a share of: cpu in cores, ram and disk in gibibytes, or a device.

    Attributes:
        id: names it in a request.
        description: of a device, e.g. the model of a GPU.
        min, max: for one job.
        total: in the environment.
    """

    id: str
    description: str | None = None
    min: float = 0
    max: float = 0
    total: float = 0


class Price(_Answer):
    """Of one unit of a resource for one minute, in whole tokens."""

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
        access_lists: contracts by chain, whose token holders are served; None where the node names none.
    """

    addresses: tuple[str, ...] = ()
    access_lists: tuple[dict[str, tuple[_Address, ...]] | None, ...] | None = None

    @property
    def is_open(self) -> bool:
        """Whether everybody is served, by the rule of ocean-node (`validateAccess` in startCompute.ts).

        Addresses alone close nothing: a node without access lists, even an empty one, ignores them.
        """
        return self.access_lists is None or not (self.access_lists or self.addresses)

    def lists(self, chain_id: int) -> tuple[str, ...]:
        """Contracts on a chain whose token holders are served."""
        return tuple(
            one for by_chain in self.access_lists or () for one in (by_chain or {}).get(str(chain_id), ())
        )


class Features(_Answer):
    """What an environment is for; ocean-node from version 4 on also runs services."""

    compute_jobs: bool = True


class FreeOffer(_Answer):
    """What an environment gives away.

    Attributes:
        max_job_duration: in seconds.
        access: who gets it; None is everybody.
    """

    max_job_duration: int = Field(0, ge=0)
    resources: tuple[Resource, ...] = ()
    access: Access | None = None

    @property
    def is_open(self) -> bool:
        """Whether everybody gets it."""
        return self.access is None or self.access.is_open


class Environment(_Answer):
    """A place where a node runs jobs.

    Attributes:
        id: hash of the engine, a dash, name.
        consumer_address: who consumes the orders of its jobs, and is paid.
        fees: prices by chain id.
        free: None where nothing is given away.
        max_job_duration, min_job_duration: of paid jobs, in seconds.
        enable_network: whether containers reach the network, whatever a data set says.
        access: who may run paid jobs; None is everybody.
        features: what it is for.
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

    def tokens(self, chain_id: int) -> tuple[str, ...]:
        """Tokens that it takes on a chain, written exactly as the node compares them."""
        return tuple(offer.fee_token for offer in self.fees.get(str(chain_id), ()))


class ProviderFee(_Answer):
    """What a node wants for serving an asset, signed by it; part of the order."""

    provider_fee_address: _Address
    provider_fee_token: _Address
    provider_fee_amount: int = Field(ge=0, description="In the token's smallest unit.")
    v: int = Field(ge=0, le=255)
    r: _Bytes32
    s: _Bytes32
    valid_until: int = Field(ge=0)
    provider_data: str = Field(pattern=r"^0x([0-9a-fA-F]{2})*$")

    def as_tuple(self) -> tuple[str, str, int, int, str, str, int, str]:
        """In the order of the contract's structure."""
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
    """What a node says about one asset of a job that is to be paid.

    Attributes:
        valid_order: the transaction of an order that still holds; None where a new one is needed.
        provider_fee: None where the earlier one still holds.
        consumer_address: for whom the order is to be made out.
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
    """What a paid job costs at most, and through which contract."""

    escrow_address: _Address
    payee: _Address
    chain_id: int
    min_lock_seconds: int = Field(ge=0)
    token: _Address
    amount: int = Field(ge=0, description="In the token's smallest unit.")


class Initialized(_Answer):
    """What has to be ordered and paid before a job may start."""

    algorithm: Order
    datasets: tuple[Order, ...]
    payment: Payment


class JobResult(_Answer):
    """Something that a job left."""

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
        job_id: as `start` answers it, with the engine's hash in front; the status is answered without.
        status: C2DStatusNumber of ocean-node.
        date_finished: seconds since 1970; None while it runs.
    """

    job_id: _Name
    status: int
    status_text: str = ""
    date_created: str | None = None
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
