"""A data set described by Croissant 1.0, as `unionveil anonymize --croissant` and others write it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from ..errors import SettingError
from ..jsjson import JsonObject
from .files import DatasetFile

__all__ = ["described_by"]

_RAI = "rai:"


def _first(value: object) -> object:
    """Croissant allows one value or a list; markets show one."""
    return value[0] if isinstance(value, list) and value else value


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str


class _Croissant(BaseModel):
    """The part of a Croissant file that a DDO has a place for."""

    model_config = ConfigDict(extra="ignore")

    name: str
    description: str
    creator: Annotated[_Named, BeforeValidator(_first)]
    license: Annotated[str, BeforeValidator(_first)]
    keywords: tuple[str, ...] = ()
    version: str = ""
    conforms_to: Annotated[str, BeforeValidator(_first)] = Field(
        alias="conformsTo", pattern=r"^http://mlcommons\.org/croissant/1\.[0-9]+$"
    )


def described_by(file: Path, base: DatasetFile) -> DatasetFile:
    """The description of a data set, taken from a Croissant file; files and links stay those of the base.

    How people were covered (Croissant RAI), k among it, goes into `additionalInformation.croissant`. Files
    and records of the description do not: a DDO is public and small.

    Args:
        file: Croissant 1.0 as JSON.
        base: of metadata/dataset.json.

    Raises:
        SettingError: the file cannot be read, or is not such a description.
    """
    try:
        given = from_json(file.read_bytes())
        found = _Croissant.model_validate(given)
        facts: JsonObject = {key: value for key, value in given.items() if key.startswith(_RAI)}
        facts |= {"conformsTo": found.conforms_to, **({"version": found.version} if found.version else {})}
        described = {
            "name": found.name,
            "description": found.description,
            "author": found.creator.name,
            "license": found.license,
            "tags": found.keywords or base.tags,
            "additional_information": {**base.additional_information, "croissant": facts},
        }
        return DatasetFile(**{**dict(base), **described})
    except OSError as error:
        raise SettingError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        issues = [f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors()]
        raise SettingError(f"{file} does not describe a data set: {'; '.join(issues)}") from error
    except ValueError as error:
        raise SettingError(f"{file} is not JSON: {error}") from error
