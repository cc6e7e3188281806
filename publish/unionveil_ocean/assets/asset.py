"""What is published, read from metadata/algorithm.json or metadata/dataset.json, before it has an address."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unionveil import __version__
from unionveil.config import Parameter
from unionveil.job import job_parameters

from ..errors import InvalidDDO, SettingError
from ..jsjson import stringify
from .ddo import (
    DDO,
    Algorithm,
    Compute,
    ConsumerParameter,
    Container,
    CredentialItem,
    Credentials,
    Metadata,
    Service,
    checksum_address,
    did_of,
    parse_ddo,
)
from .pricing import Pricing

__all__ = [
    "AlgorithmFile",
    "Asset",
    "DatasetFile",
    "UrlFile",
    "build_ddo",
    "check_draft",
    "consumer_parameters",
    "credentials_of",
    "now",
    "read_algorithm",
    "read_dataset",
]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UrlFile(_File):
    """A file that the node fetches when the asset is used; nobody else gets to see the address."""

    type: Literal["url"] = "url"
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$", description="Where the node finds the file.")]
    method: Literal["GET", "POST"] = "GET"
    headers: dict[str, str] | None = Field(None, description="Sent along, e.g. an authorization.")

    def as_dict(self) -> dict[str, Any]:
        """The form that a node takes."""
        return self.model_dump(exclude_none=True)


class _Described(_File):
    name: str = Field(min_length=4, description="At least four characters; markets show it as the title.")
    description: str = Field(min_length=10)
    author: str = Field(min_length=1)
    license: str = Field(min_length=1, description="SPDX identifier, or the address of a licence.")
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    files: tuple[UrlFile, ...] = Field((), description="May also be given on the command line.")


class ContainerFile(_File):
    """The image as `docker/build.sh` prints it."""

    image: str = Field(min_length=1, description="Repository that anybody can pull from, without tag.")
    tag: str = Field(min_length=1)
    checksum: str = Field(
        pattern=r"^(sha256:[0-9a-f]{64})?$", description="Digest in the registry; empty before it was pushed."
    )
    entrypoint: str = Field(min_length=1, description="Command in the image, split at spaces; no shell.")


class AlgorithmFile(_Described):
    """metadata/algorithm.json."""

    container: ContainerFile


class DatasetFile(_Described):
    """metadata/dataset.json."""

    copyright_holder: str | None = None
    content_language: str | None = None


@dataclass(frozen=True)
class Asset:
    """All that is published of an asset, but for what it gets on the way: addresses and encrypted files.

    Attributes:
        metadata: what people read.
        files: what the node fetches, in the form that it takes; secret.
        service_type: "access" hands the files out, "compute" only lets algorithms see them.
        pricing: what one order costs.
        credentials: who may order.
        compute: which algorithms may run, for a data set.
        timeout_seconds: how long an order is valid; 0 is for ever.
        symbol: of the datatoken.
    """

    metadata: Metadata
    files: tuple[Mapping[str, Any], ...]
    service_type: Literal["access", "compute"]
    pricing: Pricing
    credentials: Credentials | None = None
    compute: Compute | None = None
    timeout_seconds: int = 0
    symbol: str = "UVEIL"

    @property
    def token_name(self) -> str:
        """Name of data NFT and datatoken: what stands before a colon, in 31 bytes.

        A longer text takes two slots more in each of both contracts, 7 % of the gas of a publication.
        """
        name = self.metadata.name.partition(":")[0].strip()
        return name.encode()[:31].decode("utf-8", "ignore").strip()

    def digest(self) -> str:
        """Tells this asset from another: hexadecimal SHA-256 of all of it but its times."""
        timeless = self.metadata.model_dump(by_alias=True, exclude_none=True, exclude={"created", "updated"})
        parts = [
            timeless,
            [dict(file) for file in self.files],
            self.service_type,
            self.credentials.model_dump(by_alias=True, exclude_none=True) if self.credentials else None,
            self.compute.model_dump(by_alias=True, exclude_none=True) if self.compute else None,
            self.timeout_seconds,
        ]
        return hashlib.sha256(stringify(parts).encode()).hexdigest()


def read_algorithm(file: Path) -> AlgorithmFile:
    """Reads metadata/algorithm.json.

    Raises:
        SettingError: no such file, no JSON, or a field is wrong; names all of them.
    """
    return _read(file, AlgorithmFile)


def read_dataset(file: Path) -> DatasetFile:
    """Reads metadata/dataset.json; see `read_algorithm`."""
    return _read(file, DatasetFile)


_AnyFile = TypeVar("_AnyFile", AlgorithmFile, DatasetFile)


def _read(file: Path, model: type[_AnyFile]) -> _AnyFile:
    try:
        return model.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SettingError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        issues = [f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()]
        raise SettingError(f"{file} is not right: {'; '.join(issues)}") from error


def now() -> str:
    """The time in the form of a DDO."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def consumer_parameters() -> list[ConsumerParameter]:
    """The settings of the compute job, in the form in which markets offer them.

    Derived from the very list that the job checks its parameters against, so that the two never differ.
    """
    return [_consumer_parameter(parameter) for parameter in job_parameters()]


def _consumer_parameter(parameter: Parameter) -> ConsumerParameter:
    description = parameter.description
    if parameter.methods:
        description = f"For {', '.join(parameter.methods)}: {description}"
    kind: Literal["text", "number", "select"]
    if parameter.kind == "select":
        kind = "select"
    elif parameter.kind == "text":
        kind = "text"
    else:
        kind = "number"
    options = [{choice: choice.replace("_", " ").capitalize()} for choice in parameter.choices]
    return ConsumerParameter(
        name=parameter.name,
        type=kind,
        label=parameter.name.replace("_", " ").capitalize(),
        required=False,
        description=description,
        default=parameter.default,
        options=stringify(options) if options else None,
    )


def algorithm_metadata(file: AlgorithmFile, created: str, updated: str | None = None) -> Metadata:
    """The metadata of the algorithm.

    Args:
        file: metadata/algorithm.json.
        created: time of the first publication.
        updated: time of this one.

    Raises:
        InvalidDDO: the image has no checksum yet.
    """
    if not file.container.checksum:
        raise InvalidDDO(
            [
                f"container.checksum: the image {file.container.image}:{file.container.tag} has no digest; "
                "push it (docker/build.sh --push prints the digest), and write it into the metadata file"
            ]
        )
    return Metadata(
        created=created,
        updated=updated or created,
        type="algorithm",
        **_described(file),
        algorithm=Algorithm(
            container=Container(**file.container.model_dump()),
            language="python",
            version=__version__,
            consumer_parameters=consumer_parameters(),
        ),
    )


def dataset_metadata(file: DatasetFile, created: str, updated: str | None = None) -> Metadata:
    """The metadata of a data set; see `algorithm_metadata`."""
    return Metadata(
        created=created,
        updated=updated or created,
        type="dataset",
        **_described(file),
        copyright_holder=file.copyright_holder,
        content_language=file.content_language,
    )


def _described(file: _Described) -> dict[str, Any]:
    return {
        "name": file.name,
        "description": file.description,
        "author": file.author,
        "license": file.license,
        "tags": list(file.tags) or None,
        "links": list(file.links) or None,
        "additional_information": {"termsAndConditions": True},
    }


def credentials_of(allow: tuple[str, ...], deny: tuple[str, ...]) -> Credentials | None:
    """Lists of wallets that may, or may not, use the asset; None if there is neither.

    Raises:
        SettingError: one is no address, or is in both lists.
    """
    try:
        allowed, denied = (sorted({checksum_address(address) for address in who}) for who in (allow, deny))
    except ValueError as error:
        raise SettingError(f"allow and deny lists: {error}") from error
    both = set(allowed) & set(denied)
    if both:
        raise SettingError(f"allow and deny lists: {', '.join(sorted(both))} is in both")
    if not allowed and not denied:
        return None
    return Credentials(allow=_item(allowed), deny=_item(denied))


def _item(addresses: list[str]) -> list[CredentialItem] | None:
    # Nodes compare in lower case; ocean.js and the market write it so.
    return [CredentialItem(type="address", values=[a.lower() for a in addresses])] if addresses else None


def service_id_of(datatoken: str, service_type: str) -> str:
    """An id that stays the same over all versions of an asset: trusting data sets name it."""
    return hashlib.sha256(f"{checksum_address(datatoken)}/{service_type}".encode()).hexdigest()


def build_ddo(
    asset: Asset,
    nft: str,
    datatoken: str,
    chain_id: int,
    encrypted_files: str,
    endpoint: str,
    service_id: str | None = None,
) -> DDO:
    """The DDO of an asset, checked.

    Args:
        asset: what is published.
        nft: address of the data NFT.
        datatoken: address of the datatoken.
        chain_id: where they are.
        encrypted_files: "0x..." as the node encrypted them.
        endpoint: URL of the node.
        service_id: of an earlier version; None makes it.

    Raises:
        InvalidDDO: names every broken rule.
    """
    service = Service(
        id=service_id or service_id_of(datatoken, asset.service_type),
        type=asset.service_type,
        files=encrypted_files,
        datatoken_address=datatoken,
        service_endpoint=endpoint,
        timeout=asset.timeout_seconds,
        compute=asset.compute,
    )
    ddo = DDO.model_construct(
        context=DDO.model_fields["context"].default,
        id=did_of(nft, chain_id),
        version="4.1.0",
        chain_id=chain_id,
        nft_address=checksum_address(nft),
        metadata=asset.metadata,
        services=[service],
        credentials=asset.credentials,
    )
    return parse_ddo(ddo.as_dict())


def check_draft(asset: Asset, chain_id: int, endpoint: str) -> DDO:
    """Checks everything that can be known before anything is signed, with stand-ins for what cannot.

    Raises:
        InvalidDDO: names every broken rule.
    """
    if not asset.files:
        raise InvalidDDO(["files: an Ocean asset has at least one file; give its address with --file-url"])
    stand_in = "0x" + "00" * 19 + "01"
    return build_ddo(asset, stand_in, stand_in, chain_id, "0x00", endpoint)


def at_time(asset: Asset, created: str, updated: str) -> Asset:
    """The same asset, with the times of its versions."""
    metadata = asset.metadata.model_copy(update={"created": created, "updated": updated})
    return replace(asset, metadata=metadata)


def as_json(ddo: DDO) -> str:
    """A DDO for people: indented."""
    return json.dumps(ddo.as_dict(), indent=2, ensure_ascii=False)
