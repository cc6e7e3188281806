"""Describes a run as Croissant 1.0: its pictures, their licence, and how people were covered.

Croissant Format Specification 1.0 (MLCommons, 2024); Croissant RAI 1.0 for the redaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError
from ..formats import ImageFormat
from ..runs.schema import ManifestHead
from ..serve.media import MEDIA_TYPES
from ..text import printable

__all__ = ["About", "DataFile", "croissant", "read_about"]

_CONFORMS = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""From the specification (appendix 1)."""

_COLUMNS = {
    "width": ("sc:Integer", "Width in pixels, upright."),
    "height": ("sc:Integer", "Height in pixels, upright."),
    "format": ("sc:Text", "Format of the file."),
    "frames": ("sc:Integer", "Frames or pages."),
    "sha256": ("sc:Text", "SHA-256 of the file, hexadecimal."),
    "faces": ("sc:Integer", "Covered faces and heads."),
}


class About(BaseModel):
    """What a run does not know about its pictures, in the form of `metadata/dataset.json`."""

    # Files and links of that form are for publishing.
    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    author: str = Field(min_length=1)
    license: str = Field(min_length=1, description="Address of a licence, or its SPDX identifier.")
    tags: tuple[str, ...] = ()
    url: str = Field("", description="Of the data set's page.")
    published: date | None = None
    version: str = "1.0.0"
    cite_as: str = Field("", description="How to cite it, as BibTeX for example.")


@dataclass(frozen=True)
class DataFile:
    """A file that contains rows.

    Attributes:
        name: relative to the description, with `/`.
        sha256: of its bytes, hexadecimal.
    """

    name: str
    sha256: str


def read_about(path: Path) -> About:
    """Reads the description of a data set.

    Raises:
        InputError: the file cannot be read, or something is missing in it.
    """
    shown = printable(str(path), quoted=False, most=None)
    try:
        return About.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{shown} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise InputError(
            f"{shown} does not describe a data set ({where}: {first['msg']}); metadata/dataset.json is an "
            "example"
        ) from error


def croissant(about: About, head: ManifestHead, files: Sequence[DataFile], pictures: str) -> bytes:
    """The description as JSON.

    Args:
        about: the data set.
        head: the head of the run's manifest.
        files: files with rows, all in one form; without any, only the pictures are described.
        pictures: folder of the pictures with `/` at its end, relative to the description; empty if they are
            beside it. Pictures inside tars and Parquet are not listed separately.
    """
    kind = files[0].name.rpartition(".")[2] if files else ""
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS,
        "name": about.name,
        "description": about.description,
        "creator": {"@type": "Organization", "name": about.author},
        "license": _licence(about.license),
        "keywords": list(about.tags),
        "version": about.version,
        **({"url": about.url} if about.url else {}),
        **({"citeAs": about.cite_as} if about.cite_as else {}),
        **({"datePublished": about.published.isoformat()} if about.published else {}),
        **redaction(head),
        "distribution": [*(_file_object(file, kind) for file in files), *_file_sets(kind, pictures)],
        "recordSet": _record_sets(files, kind),
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _licence(text: str) -> str:
    return text if "://" in text else f"https://spdx.org/licenses/{text}.html"


def redaction(head: ManifestHead) -> dict[str, Any]:
    """How people were covered, in the words of Croissant RAI."""
    config, method = head.configuration, head.configuration.get("method", "fill")
    settings = ", ".join(f"{name}={value}" for name, value in sorted(config.items()) if value)
    limits = ["No detector finds every face; UnionVeil's documentation states how many are missed, by size."]
    if head.looks_only:
        limits.append(f"A trained attacker recognizes people behind {method}.")
    return {
        "rai:dataManipulationProtocol": f"{'; '.join(_acts(config, method, head))} (UnionVeil "
        f"{head.tool.version}: {settings}).",
        "rai:machineAnnotationTools": [_tools(head)],
        "rai:personalSensitiveInformation": list(_sensitive(head)),
        "rai:dataLimitations": limits,
    }


_IN_WORDS = {"face": "faces", "head": "heads", "text": "lines of text", "plate": "number plates"}
"""Names in the setting `cover`."""


def _acts(config: Mapping[str, str], method: str, head: ManifestHead) -> Iterator[str]:
    names = [_IN_WORDS.get(name, name) for name in config.get("cover", "face").split(",")]
    found = " and ".join(names).capitalize()
    yield f"{found} were found by {_tools(head)} and covered by the method {method}"
    if method == "ksame":
        yield f"each face that took another's place is shared by at least k = {config.get('k', '?')} people"
    if config.get("select", "every") != "every":
        yield {"keep": "known people stay visible"}.get(config["select"], "only known people are covered")
    for name, side in (("min_face", "smaller"), ("max_face", "larger")):
        if config.get(name):
            yield f"faces {side} than {config[name]} px stay visible"


def _sensitive(head: ManifestHead) -> Iterator[str]:
    counts, kept = head.counts, head.configuration.get("keep_metadata", "")
    yield f"{counts.covered} in {counts.redacted} pictures were covered."
    yield f"Metadata that was kept: {kept}." if kept else "Files contain no metadata."
    if counts.kept:
        yield f"{counts.kept} faces were left visible."


def _tools(head: ManifestHead) -> str:
    return ", ".join(f"{model.name} (sha256 {model.sha256})" for model in head.models) or "a person"


_ENCODINGS = {
    "jsonl": "application/jsonlines",
    "csv": "text/csv",
    "json": "application/json",
    "yaml": "application/yaml",
    "parquet": "application/x-parquet",
    "tar": "application/x-tar",
}


def _file_object(file: DataFile, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "encodingFormat": _ENCODINGS[kind],
        "sha256": file.sha256,
    }


def _file_sets(kind: str, pictures: str) -> list[dict[str, Any]]:
    if kind in ("parquet", "tar"):
        return []
    return [
        {
            "@type": "cr:FileSet",
            "@id": "pictures",
            "name": "pictures",
            "encodingFormat": list(MEDIA_TYPES.values()),
            "includes": [f"{pictures}**.{form.value}" for form in ImageFormat],
        }
    ]


def _record_sets(files: Sequence[DataFile], kind: str) -> list[dict[str, Any]]:
    match kind:
        case "jsonl":
            columns = {"file_name": ("sc:Text", "Path of the picture."), **_COLUMNS}
            sources = [files[0].name]
        case "csv":
            columns = {
                "picture": ("sc:Text", "Path of the picture."),
                **{side: ("sc:Float", f"The box's {side}, in upright pixels.") for side in _SIDES},
                "score": ("sc:Float", "The detector's confidence."),
            }
            sources = [files[0].name]
        case "parquet":
            columns = _COLUMNS
            sources = [file.name for file in files]
        case _:
            return []
    return [_record_set(f"rows-{number}", name, columns) for number, name in enumerate(sources)]


_SIDES = ("left", "top", "right", "bottom")


def _record_set(name: str, file: str, columns: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": f"{name}/{column}",
                "description": text,
                "dataType": kind,
                "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
            }
            for column, (kind, text) in columns.items()
        ],
    }
