"""The DDO, version 4.1.0: an asset's description for Ocean's nodes and markets.

The models check everything that a node, a market or a contract would reject later, before anything is signed.
Sources: the SHACL shapes of npm `@oceanprotocol/ddo-js` (4.1.0), ocean-node's compute code, and experiments
with a running node. Another publisher's DDO may have more fields; they are kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from unionveil.text import printable

from ..chain.addresses import checksum_address
from ..errors import InvalidDDO
from ..jsjson import JsonObject, parse_json, stringify

VERSION = "4.1.0"
CONTEXT = "https://w3id.org/did/v1"

MAX_FILES_CHARACTERS = 8192
"""The node's index refuses longer encrypted file lists."""

MAX_OPTIONS_CHARACTERS = 256
"""The node's index keeps at most this much of a parameter's options."""

_MOST_ISSUES = 50

# Fields that a node adds when it serves a DDO; they are never published.
_ADDED_BY_NODE = (
    "indexedMetadata",
    "nft",
    "datatokens",
    "event",
    "stats",
    "purgatory",
    "accessDetails",
    "additionalDdos",
)


def did_of(nft_address: str, chain_id: int) -> str:
    """The DID of a data NFT: `did:op:` and the SHA-256 of its checksum address and its decimal chain id.

    Raises:
        ValueError: not an address.
    """
    return "did:op:" + hashlib.sha256(f"{checksum_address(nft_address)}{chain_id}".encode()).hexdigest()


def now() -> str:
    """The current time in the DDO's format."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> str:
    datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", text):
        raise ValueError("must be an address that begins with http:// or https://")
    return text


def _image_digest(text: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text):
        raise ValueError(
            "must be the image's digest, sha256: and 64 hexadecimal digits; the node pulls by it"
        )
    return text


def _sha256s(text: str) -> str:
    # One digest per file, concatenated; "*" trusts any file.
    if text != "*" and not re.fullmatch(r"([0-9a-f]{64})*", text):
        raise ValueError("must be SHA-256 digests, 64 hexadecimal digits each")
    return text


def _did(text: str) -> str:
    if text != "*" and not re.fullmatch(r"did:op:[0-9a-f]{64}", text):
        raise ValueError("must be did:op: and 64 hexadecimal digits")
    return text


Address = Annotated[str, AfterValidator(checksum_address)]
Time = Annotated[str, AfterValidator(_time)]
Url = Annotated[str, AfterValidator(_url)]
Line = Annotated[str, Field(min_length=1, pattern=r"^[^\n]*$")]
Name = Annotated[str, Field(min_length=4, pattern=r"\S")]
Description = Annotated[str, Field(min_length=10)]
Hex = Annotated[str, Field(pattern=r"^0x([0-9a-fA-F]{2})+$", max_length=MAX_FILES_CHARACTERS)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="allow", strict=True, alias_generator=to_camel, populate_by_name=True
    )


class Container(_Part):
    """The image that runs, and the command in it."""

    entrypoint: Line = Field(description="Command, split at spaces, no shell; $ALGO is the algorithm file.")
    image: Line = Field(description="Repository that anybody can pull from, without tag.")
    tag: Line
    checksum: Annotated[str, AfterValidator(_image_digest)]

    def section_checksum(self) -> str:
        """SHA-256 of entrypoint and checksum, as the node computes it; hexadecimal."""
        return hashlib.sha256((self.entrypoint + self.checksum).encode()).hexdigest()


class ConsumerParameter(_Part):
    """A setting that the buyer chooses."""

    name: Line
    type: Literal["text", "number", "boolean", "select"]
    label: Line
    required: bool
    description: str = Field(min_length=1)
    default: str = Field(description="Always a string, even for numbers.")
    options: str | None = Field(
        None, max_length=MAX_OPTIONS_CHARACTERS, description='JSON list such as [{"fill":"Opaque fill"}].'
    )


class Algorithm(_Part):
    """The program of a compute job."""

    container: Container
    language: Line | None = None
    version: Line | None = None
    consumer_parameters: list[ConsumerParameter] | None = None


class Metadata(_Part):
    """The human-readable part of the DDO."""

    created: Time
    updated: Time
    type: Literal["dataset", "algorithm"]
    name: Name
    description: Description
    author: Line
    license: Line
    tags: list[str] | None = None
    links: list[Url] | None = None
    copyright_holder: Line | None = None
    content_language: Line | None = None
    additional_information: JsonObject | None = None
    algorithm: Algorithm | None = None


class TrustedAlgorithm(_Part):
    """An algorithm that may run on a data set; a star trusts any value."""

    did: Annotated[str, AfterValidator(_did)]
    files_checksum: Annotated[str, AfterValidator(_sha256s)]
    container_section_checksum: Annotated[str, AfterValidator(_sha256s)]
    service_id: Line | None = None


class Compute(_Part):
    """The algorithms that a data set trusts; `exposure` says which other code nodes run on it."""

    allow_raw_algorithm: bool
    allow_network_access: bool = Field(description="Read by older providers; nodes go by the environment.")
    publisher_trusted_algorithm_publishers: list[str]
    publisher_trusted_algorithms: list[TrustedAlgorithm]


class Service(_Part):
    """One way to use the asset, paid with one token of `datatoken_address`."""

    id: Line
    type: Literal["access", "compute"]
    files: Hex = Field(description="File list, encrypted by the node.")
    datatoken_address: Address
    service_endpoint: Url
    timeout: int = Field(ge=0, description="Seconds that an order is valid; 0 is forever.")
    name: Line | None = None
    description: str | None = None
    compute: Compute | None = None
    consumer_parameters: list[ConsumerParameter] | None = None
    additional_information: JsonObject | None = None


class CredentialItem(_Part):
    """A list of people, by wallet address."""

    type: Line
    values: list[str] = Field(min_length=1)


class Credentials(_Part):
    """Wallets that may use the asset; an empty `allow` means everybody except those in `deny`."""

    allow: list[CredentialItem] | None = None
    deny: list[CredentialItem] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether only listed wallets may use it."""
        return bool(self.allow) and not any("*" in item.values for item in self.allow or ())


@dataclass(frozen=True)
class Place:
    """An asset's place on the chain, which all of its versions share.

    Attributes:
        nft: checksum address of the data NFT.
        datatoken: checksum address of the datatoken.
        service_id: of the service; trusting data sets refer to it.
        exchange_id: of the fixed-rate exchange, "0x..."; None for a free asset.
    """

    nft: str
    datatoken: str
    service_id: str
    exchange_id: str | None = None


@dataclass(frozen=True)
class Payload:
    """A DDO as `setMetaData` takes it.

    Attributes:
        content: plain or encrypted.
        digest: SHA-256, 32 bytes; of the DDO if it is encrypted, else of the "0x..." text of the content.
        flags: 2 encrypted, 0 plain.
    """

    content: bytes
    digest: bytes
    flags: bytes

    @property
    def event(self) -> JsonObject:
        """The content that the chain's event must have."""
        return {"data": "0x" + self.content.hex(), "hash": "0x" + self.digest.hex()}


class DDO(_Part):
    """An asset as it is published."""

    context: list[str] = Field(default=[CONTEXT], alias="@context")
    id: Annotated[str, AfterValidator(_did)]
    version: Literal["4.1.0"] = "4.1.0"
    chain_id: int = Field(gt=0)
    nft_address: Address
    metadata: Metadata
    services: list[Service] = Field(min_length=1)
    credentials: Credentials | None = None

    def as_dict(self) -> JsonObject:
        """The JSON object, without fields that are not set."""
        return self.model_dump(by_alias=True, exclude_none=True)

    def to_json(self) -> str:
        """The text for the chain, as `JSON.stringify` writes it."""
        return stringify(self.as_dict())

    def payload(self, encrypted: str | None = None) -> Payload:
        """The content for the chain, with its hash computed as nodes do.

        Args:
            encrypted: "0x...", this DDO as encrypted by the node; None publishes it in plain form.
        """
        text = self.to_json().encode()
        if encrypted is not None:
            content, hashed, flags = bytes.fromhex(encrypted[2:]), text, b"\x02"
        else:
            content, hashed, flags = text, b"0x" + text.hex().encode(), b"\x00"
        return Payload(content, hashlib.sha256(hashed).digest(), flags)

    def completed(self, place: Place, encrypted_files: str) -> DDO:
        """The same DDO with other addresses and encrypted files.

        Raises:
            InvalidDDO: names every broken rule.
        """
        changes = {
            "id": place.service_id,
            "datatoken_address": place.datatoken,
            "files": encrypted_files,
        }
        service = self.services[0].model_copy(update=changes)
        did = did_of(place.nft, self.chain_id)
        return self.revised(id=did, nft_address=place.nft, services=[service])

    def revised(self, **changes: object) -> DDO:
        """The same DDO with other fields.

        Raises:
            InvalidDDO: names every broken rule.
        """
        return parse_ddo(self.model_copy(update=changes).as_dict())

    def service(self, service_id: str | None = None) -> Service:
        """The service with an id; None is the first one.

        Raises:
            InvalidDDO: the DDO has no such service.
        """
        for service in self.services:
            if service_id in (None, service.id):
                return service
        known = ", ".join(service.id for service in self.services)
        raise InvalidDDO([f"{self.id} has no service {service_id!r}; it has {known}"])

    @property
    def job_service(self) -> Service:
        """The service that jobs use: the first compute service, or else the first one."""
        return next((one for one in self.services if one.type == "compute"), self.services[0])


def parse_ddo(value: Mapping[str, object]) -> DDO:
    """Checks a DDO against every rule.

    Args:
        value: the JSON object; fields that a node added are ignored.

    Raises:
        InvalidDDO: names every broken rule at once.
    """
    plain = {key: part for key, part in value.items() if key not in _ADDED_BY_NODE}
    issues = list(_rules(plain))
    ddo: DDO | None = None
    try:
        ddo = DDO.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        issues[:0] = [_explain(item) for item in error.errors()[:_MOST_ISSUES]]
    except RecursionError:
        issues.append("it is nested too deeply")
    if issues or ddo is None:
        raise InvalidDDO(issues)
    return ddo


def _explain(item: ErrorDetails) -> str:
    where = printable(".".join(map(str, item["loc"])), quoted=False)
    message = str(item["msg"]).removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    got = "" if item["type"] == "missing" else f", got {json.dumps(item['input'], default=str)[:80]}"
    return f"{where}: {printable(message, quoted=False, most=300)}{got}"


def _rules(ddo: Mapping[str, object]) -> Iterator[str]:
    """Rules across fields; they read raw JSON, so they are checked even if other rules fail."""
    yield from _did_rule(ddo)
    metadata = _dict(ddo.get("metadata"))
    yield from _metadata_rules(metadata)
    is_dataset = metadata.get("type") == "dataset"
    seen: list[object] = []
    for number, service in enumerate(map(_dict, _list(ddo.get("services")))):
        where = f"services.{number}"
        if service.get("id") in seen:
            yield f"{where}.id: {_shown(service.get('id'))} is used twice"
        seen.append(service.get("id"))
        if is_dataset and service.get("type") == "compute" and "compute" not in service:
            yield f"{where}.compute: a data set's compute service says who may compute"
        yield from _parameter_rules(service.get("consumerParameters"), where)
        publishers = _dict(service.get("compute")).get("publisherTrustedAlgorithmPublishers")
        yield from _address_rules(publishers, f"{where}.compute.publisherTrustedAlgorithmPublishers")
    for kind in ("allow", "deny"):
        for number, item in enumerate(map(_dict, _list(_dict(ddo.get("credentials")).get(kind)))):
            if item.get("type") == "address":
                yield from _address_rules(item.get("values"), f"credentials.{kind}.{number}.values")


def _did_rule(ddo: Mapping[str, object]) -> Iterator[str]:
    nft, chain_id = ddo.get("nftAddress"), ddo.get("chainId")
    if not isinstance(nft, str) or not isinstance(chain_id, int):
        return
    with suppress(ValueError):
        expected = did_of(nft, chain_id)
        if ddo.get("id") != expected:
            yield f"id: must be {expected} for this data NFT on chain {chain_id}"


def _metadata_rules(metadata: Mapping[str, object]) -> Iterator[str]:
    algorithm = metadata.get("algorithm")
    if metadata.get("type") == "algorithm" and not algorithm:
        yield "metadata.algorithm: an algorithm needs its container"
    if metadata.get("type") == "dataset" and algorithm:
        yield "metadata.algorithm: a data set has none"
    extra = _dict(metadata.get("additionalInformation"))
    if "termsAndConditions" in extra and extra["termsAndConditions"] is not True:
        yield "metadata.additionalInformation.termsAndConditions: markets list only assets where it is true"
    yield from _parameter_rules(_dict(algorithm).get("consumerParameters"), "metadata.algorithm")


def _parameter_rules(given: object, where: str) -> Iterator[str]:
    seen: list[object] = []
    for number, parameter in enumerate(map(_dict, _list(given))):
        place = f"{where}.consumerParameters.{number}"
        name = parameter.get("name")
        if name in seen:
            yield f"{place}.name: {_shown(name)} is used twice"
        seen.append(name)
        if parameter.get("type") != "select":
            continue
        try:
            options = parse_json(str(parameter.get("options")))
            values = [str(key) for option in options for key in option]
        except (ValueError, TypeError):
            yield f"{place}.options: a select needs a JSON list of objects with a value and a label each"
            continue
        if parameter.get("default") not in values:
            known = printable(", ".join(values), quoted=False)
            yield f"{place}.default: {_shown(parameter.get('default'))} is not one of {known}"


def _address_rules(values: object, where: str) -> Iterator[str]:
    for index, value in enumerate(_list(values)):
        if value == "*":
            continue
        try:
            checksum_address(value if isinstance(value, str) else json.dumps(value))
        except ValueError as error:
            yield f"{where}.{index}: {error}"


def _shown(value: object) -> str:
    return printable(value) if isinstance(value, str) else printable(str(value), quoted=False)


def _dict(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
