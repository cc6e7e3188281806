"""The publisher's files: metadata/algorithm.json and metadata/dataset.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from unionveil import __version__
from unionveil.job import job_parameters
from unionveil.parameters import Parameter

from ..errors import InvalidDDO, SettingError
from ..jsjson import JsonObject, stringify
from .ddo import Algorithm, ConsumerParameter, Container, Description, Line, Metadata, Name, Url, now

STORED: Literal["nodePersistentStorage"] = "nodePersistentStorage"
"""Type of a file in the node's own storage."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class _Stored(_File):
    def as_dict(self) -> JsonObject:
        """The form that a node expects (ocean-node, docs/Storage.md)."""
        return self.model_dump(exclude_none=True, by_alias=True)


class UrlFile(_Stored):
    """A file that the node fetches when the asset is used; nobody else sees the address."""

    type: Literal["url"] = "url"
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$", description="Where the node finds the file.")]
    method: Literal["GET", "POST"] = "GET"
    headers: dict[str, str] | None = Field(None, description="Sent along, e.g. an authorization.")


class IpfsFile(_Stored):
    """A file on IPFS; the node needs a gateway."""

    type: Literal["ipfs"]
    hash: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{20,128}$", description="The content identifier, CID.")]


class ArweaveFile(_Stored):
    """A file on Arweave; the node needs a gateway."""

    type: Literal["arweave"]
    transaction_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{43}$", alias="transactionId")]


class StorageFile(_Stored):
    """A file in the node's own persistent storage, visible to jobs of accounts that its bucket admits."""

    type: Literal["nodePersistentStorage"]
    bucket_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$", alias="bucketId")]
    file_name: Annotated[str, Field(pattern=r"^[^/\s]{1,255}$", alias="fileName")]


AssetFile: TypeAlias = UrlFile | IpfsFile | ArweaveFile | StorageFile


def _kind(value: object) -> str:
    kind = value.get("type", "url") if isinstance(value, dict) else getattr(value, "type", "")
    return str(kind)


_AnyAssetFile: TypeAlias = Annotated[
    Annotated[UrlFile, Tag("url")]
    | Annotated[IpfsFile, Tag("ipfs")]
    | Annotated[ArweaveFile, Tag("arweave")]
    | Annotated[StorageFile, Tag("nodePersistentStorage")],
    Discriminator(_kind),
]


def file_at(address: str) -> AssetFile:
    """The file at an address: http(s), `ipfs://CID`, `ar://TRANSACTION` or `storage://BUCKET/FILE`.

    Raises:
        SettingError: another kind of address. The message does not show it, because it may be secret.
    """
    scheme, _, rest = address.partition("://")
    bucket, _, name = rest.partition("/")
    try:
        match scheme:
            case "ipfs":
                return IpfsFile(type="ipfs", hash=rest)
            case "ar":
                return ArweaveFile(type="arweave", transaction_id=rest)
            case "storage":
                return StorageFile(type=STORED, bucket_id=bucket, file_name=name)
            case _:
                return UrlFile(url=address)
    except ValidationError as error:
        raise SettingError(_FORMS.get(scheme, _FORMS[""])) from error


_FORMS = {
    "": "--file-url must begin with http://, https://, ipfs://, ar:// or storage://",
    "ipfs": "--file-url of IPFS must be ipfs:// and a content identifier (CID) without a path",
    "ar": "--file-url of Arweave must be ar:// and the 43 characters of a transaction's id",
    "storage": "--file-url of a node's own storage must be storage://BUCKET/FILE",
}


class _Described(_File):
    name: Name = Field(description="At least four characters; markets show it as the title.")
    description: Description
    author: Line
    license: Line = Field(description="SPDX identifier, or the address of a licence.")
    tags: tuple[str, ...] = ()
    links: tuple[Url, ...] = ()
    files: tuple[_AnyAssetFile, ...] = Field((), description="May also be given on the command line.")

    def _shared(self) -> JsonObject:
        time = now()
        return {
            "created": time,
            "updated": time,
            "name": self.name,
            "description": self.description,
            "author": self.author,
            "license": self.license,
            "tags": list(self.tags) or None,
            "links": list(self.links) or None,
            "additional_information": {"termsAndConditions": True},
        }


class ContainerFile(_File):
    """The image as `docker/build.sh` prints it."""

    image: Line = Field(description="Repository that anybody can pull from, without tag.")
    tag: Line
    checksum: str = Field(
        pattern=r"^(sha256:[0-9a-f]{64})?$", description="Digest in the registry; empty before it was pushed."
    )
    entrypoint: Line = Field(description="Command in the image, split at spaces; no shell.")

    def changed(self, changes: Mapping[str, str]) -> ContainerFile:
        """The same with other fields.

        Raises:
            SettingError: a field is not valid.
        """
        try:
            return ContainerFile(**{**self.model_dump(), **changes})
        except ValidationError as error:
            issues = [f"--{item['loc'][0]}: {item['msg']}" for item in error.errors()]
            raise SettingError(f"the image is not valid: {'; '.join(issues)}") from error


class AlgorithmFile(_Described):
    """metadata/algorithm.json."""

    container: ContainerFile

    def metadata(self) -> Metadata:
        """The metadata of a DDO, created now.

        Raises:
            InvalidDDO: the image has no checksum yet.
        """
        image = self.container
        if not image.checksum:
            raise InvalidDDO(
                [
                    f"container.checksum: the image {image.image}:{image.tag} has no digest; "
                    "push it (docker/build.sh --push prints the digest), and write it into the metadata file"
                ]
            )
        algorithm = Algorithm(
            container=Container(**image.model_dump()),
            language="python",
            version=__version__,
            consumer_parameters=consumer_parameters(),
        )
        return Metadata(type="algorithm", **self._shared(), algorithm=algorithm)


def _as_nodes_read_it(value: JsonObject) -> JsonObject:
    stringify(value)  # refuses numbers that a node would change
    return value


class DatasetFile(_Described):
    """metadata/dataset.json."""

    copyright_holder: Line | None = None
    content_language: Line | None = None
    additional_information: Annotated[JsonObject, AfterValidator(_as_nodes_read_it)] = Field(
        {}, description="More facts, which markets may show."
    )

    def metadata(self) -> Metadata:
        """The metadata of a DDO, created now."""
        shared = self._shared()
        shared["additional_information"] = {**self.additional_information, "termsAndConditions": True}
        return Metadata(
            type="dataset",
            **shared,
            copyright_holder=self.copyright_holder,
            content_language=self.content_language,
        )


_AnyFile = TypeVar("_AnyFile", AlgorithmFile, DatasetFile)


def read_metadata(file: Path, model: type[_AnyFile]) -> _AnyFile:
    """Reads metadata/algorithm.json or metadata/dataset.json.

    Raises:
        SettingError: no such file, not JSON, or wrong fields; the message lists all of them.
    """
    try:
        return model.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SettingError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        issues = [f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()]
        raise SettingError(f"{file} is not valid: {'; '.join(issues)}") from error


def consumer_parameters() -> list[ConsumerParameter]:
    """The settings of the compute job, in the form that markets offer.

    Derived from the list that the job itself checks its parameters against, so the two never differ.
    """
    return [_consumer_parameter(parameter) for parameter in job_parameters()]


def _consumer_parameter(parameter: Parameter) -> ConsumerParameter:
    description = parameter.description
    if parameter.belongs_to:
        description = f"For {', '.join(parameter.belongs_to)}: {description}"
    options = [{choice: choice.replace("_", " ").capitalize()} for choice in parameter.choices]
    return ConsumerParameter(
        name=parameter.name,
        type=_form_type(parameter),
        label=parameter.name.replace("_", " ").capitalize(),
        required=False,
        description=description,
        default=parameter.default,
        options=stringify(options) if options else None,
    )


def _form_type(parameter: Parameter) -> Literal["text", "number", "select"]:
    """The type of a form's field.

    A number without a default becomes text: portals fill a number field with `Number("")`, which is 0, while
    a text field stays empty.
    """
    match parameter.kind:
        case "select" | "text":
            return parameter.kind
        case _:
            return "number" if parameter.default else "text"
