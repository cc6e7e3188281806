"""The fields of a manifest, as they are written and read, and the names of its files.

It contains no time, no host and, unless asked for, no name: the same inputs and settings give the same bytes,
with one worker or many, interrupted or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter

from .. import __version__
from ..detections import Detections, Kind
from ..outputs import MetadataName
from ..text import counted
from .shards import Shard

__all__ = [
    "MANIFEST",
    "PREVIEWS",
    "Counts",
    "FaceRecord",
    "InferenceRecord",
    "KindName",
    "Manifest",
    "ManifestHead",
    "ModelRecord",
    "Record",
    "RecordLine",
    "RedactedRecord",
    "RejectedRecord",
    "ShardHead",
    "ShardRecord",
    "TrackRecord",
    "VideoRecord",
    "detections_of",
    "is_manifest",
    "kind_name",
    "shard_manifest",
]


MANIFEST = "manifest.json"
"""The manifest's name in an output folder."""

PREVIEWS = "preview"
"""Name of the folder of previews in an output folder."""


def shard_manifest(shard: Shard) -> str:
    """The name of a shard's manifest in its output folder."""
    return f"manifest-{shard.index:05d}-of-{shard.count:05d}.jsonl"


_OF_SHARD = re.compile(r"manifest-[0-9]{5}-of-[0-9]{5,6}\.jsonl")


def is_manifest(name: str) -> bool:
    """Whether a file of this name is the manifest of a run or of a shard."""
    return name == MANIFEST or _OF_SHARD.fullmatch(name) is not None


class _Part(BaseModel):
    # Fields that later versions add are ignored. Validators are built when they are first used: a run writes
    # records of two or three kinds.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


KindName: TypeAlias = Literal["face", "head", "text", "plate"]
"""Names of `Kind`."""


_MOST = 2**31 - 1
"""Largest number of a frame, and largest side of a picture: exports store them in 32 bits."""


class FaceRecord(_Part):
    """One redacted face, head, line of text or plate."""

    frame: int = Field(ge=0, le=_MOST, description="Frame or page, from 0.")
    xyxy: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] = Field(
        description="Left, top, right, bottom as detected, before the margin, in upright pixels."
    )
    score: float = Field(ge=0, le=1, description="The detector's confidence.")
    method: str = Field(
        description="Method that covered it; fill instead of ksame if it could not be compared with others."
    )
    k: int | None = Field(
        None,
        ge=2,
        description="Least number of people who share the face that replaced it; only for ksame. Since 1.2.",
    )
    kind: str | None = Field(
        None, description="Its kind, unless it is a face: head, text or plate. Since 1.3."
    )

    @property
    def is_person(self) -> bool:
        """Whether it is a face or a head."""
        return self.detected.is_person

    @property
    def detected(self) -> Kind:
        """Its kind; an unknown kind, from a later version, counts as text."""
        return Kind.__members__.get((self.kind or "face").upper(), Kind.TEXT)


def kind_name(kind: int) -> KindName | None:
    """The name of a `Kind` in a manifest; None for a face."""
    return None if kind == Kind.FACE else cast("KindName", Kind(kind).name.lower())


def detections_of(records: Iterable[FaceRecord]) -> Detections:
    """The boxes of a manifest as detections, in their order."""
    rows = list(records)
    return Detections.of(
        [row.xyxy for row in rows],
        [row.score for row in rows],
        kind=[int(row.detected) for row in rows] if rows else Kind.FACE,
    )


class TrackRecord(_Part):
    """A face, or a detection of another kind, in a video over time."""

    first_frame: int = Field(ge=0, description="Frame of its first box, from 0.")
    last_frame: int = Field(ge=0, description="Frame of its last box.")
    score: float = Field(ge=0, le=1, description="Its best detection's confidence.")
    boxes: tuple[tuple[int, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat], ...] = Field(
        description="Frame, left, top, right, bottom, before the margin, in upright pixels; two per second, "
        "and always the first and the last."
    )


class VideoRecord(_Part):
    """The fields of a video that a picture does not have."""

    seconds: float = Field(ge=0, description="From the first frame to the last.")
    codec: str = Field(description="h264, av1 or vp9.")
    sound: bool = Field(description="Whether sound was copied.")
    tracks: tuple[TrackRecord, ...] = Field(
        description="In the order of `faces`, which contains the best box of each."
    )


_INPUT_KEY = (
    "Keyed digest of the input's name, hexadecimal, which orders the items of a run in shards. Since 1.3."
)


class RedactedRecord(_Part):
    """An input that was anonymized."""

    status: Literal["redacted"] = "redacted"
    input: int = Field(ge=1, description="Number of the input, in the order in which they were read.")
    input_digest: str | None = Field(
        None, description="HMAC-SHA256 of the input's bytes under the given salt, hexadecimal."
    )
    input_key: str | None = Field(None, description=_INPUT_KEY)
    output: str = Field(description="Name of the output, relative to this manifest.")
    sha256: str = Field(description="SHA-256 of the output's bytes, hexadecimal.")
    size_bytes: int = Field(ge=0)
    format: str
    size_wh: tuple[int, int] = Field(description="Width and height of the first frame, upright, in pixels.")
    frames: int = Field(ge=1, description="Frames or pages.")
    encoding: str | None = Field(
        None,
        description="Origin of the coded samples: pixels (encoded anew), coefficients (of a JPEG, exact "
        "outside covers) or kept (accounted for byte by byte). Since 1.1.",
    )
    faces: tuple[FaceRecord, ...]
    kept: int | None = Field(
        None, ge=0, description="Faces left visible, if not every face is covered. Since 1.2."
    )
    metadata: tuple[MetadataName, ...] | None = Field(
        None, description="Metadata of the input that the output keeps, by name. Since 1.3."
    )
    video: VideoRecord | None = Field(None, description="Only for a video. Since 1.3.")
    preview: str | None = Field(None, description="Name of the preview, relative to this manifest.")
    preview_sha256: str | None = Field(None, description="SHA-256 of the preview's bytes, hexadecimal.")

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files that belong to this input."""
        return (self.output, self.preview) if self.preview else (self.output,)


class RejectedRecord(_Part):
    """An input that could not be anonymized; it has no output."""

    status: Literal["rejected"] = "rejected"
    input: int = Field(ge=1, description="Number of the input, in the order in which they were read.")
    input_digest: str | None = None
    input_key: str | None = Field(None, description=_INPUT_KEY)
    name: str | None = Field(None, description="Name of the input, only if names are kept.")
    reason: str = Field(description="One word: unreadable, unsupported, too-large, crashed, bomb...")
    detail: str = Field(description="One sentence.")


Record: TypeAlias = RedactedRecord | RejectedRecord

RecordLine: TypeAdapter[Record] = TypeAdapter(
    Annotated[Record, Field(discriminator="status")], config=ConfigDict(defer_build=True)
)
"""Reads a single record."""


class Counts(_Part):
    """Totals of a run: inputs = redacted + without_face + all rejected inputs."""

    inputs: int = Field(ge=0)
    redacted: int = Field(
        ge=0, description="Outputs with at least one redacted face, head or, since 1.3, text or plate."
    )
    without_face: int = Field(ge=0, description="Outputs in which nothing to cover was found.")
    rejected: dict[str, int] = Field(description="Inputs without an output, by reason.")
    faces: int = Field(ge=0, description="Redacted faces and heads in all outputs.")
    texts: int | None = Field(
        None,
        ge=1,
        description="Redacted lines of text, and plates, in all outputs, if there are any. Since 1.3.",
    )
    kept: int | None = Field(
        None,
        ge=0,
        description="Faces left visible in all outputs, if not every face is covered. Since 1.2.",
    )
    not_compared: int | None = Field(
        None,
        ge=1,
        description="Redacted faces that method ksame could not compare and filled instead. Since 1.2.",
    )
    skipped: int | None = Field(
        None,
        ge=1,
        description="Files beside the inputs that are not pictures (sidecars, texts, system files), and "
        "files excluded on request; they are not inputs and have no item.",
    )

    @property
    def covered(self) -> str:
        """Everything redacted, in words: `3 faces and 5 lines of text or plates`."""
        faces = counted(self.faces, "face")
        if not self.texts:
            return faces
        return f"{faces} and {counted(self.texts, 'line of text or plate', 'lines of text or plates')}"


class ModelRecord(_Part):
    """Weights of a model that was used."""

    name: str
    sha256: str
    licence: str
    threshold: float = Field(
        description="Least score of a detection; for an embedder, the least cosine similarity that "
        "counted as the same person."
    )


class ToolRecord(_Part):
    """The program that wrote the outputs."""

    name: Literal["unionveil"] = "unionveil"
    version: str = __version__


class InferenceRecord(_Part):
    """The engine that ran the networks."""

    engine: str
    version: str = Field(description="Of the engine's package.")
    precision: str = Field(description="float32, or bfloat16, whose boxes differ by tenths of a pixel.")


class ManifestHead(_Part):
    """The part of a manifest about all inputs."""

    schema_version: str = Field(
        "1.3", pattern=r"^1\.[0-9]+$", description="Later versions 1.x add optional fields only."
    )
    tool: ToolRecord = ToolRecord()
    models: tuple[ModelRecord, ...]
    inference: InferenceRecord | None = None
    configuration: dict[str, str] = Field(
        description="Every setting, in the form of a parameter, with a file's digest instead of its path. "
        "Settings about kinds are listed only if more than faces is covered."
    )
    looks_only: bool | None = Field(
        None,
        description="True if the method is for looks only: a trained attacker recognizes people behind "
        "it. Since 1.1.",
    )
    counts: Counts


class Manifest(ManifestHead):
    """The results of all inputs of a run."""

    items: tuple[Annotated[Record, Field(discriminator="status")], ...] = Field(
        description="In the order of the inputs."
    )


class ShardRecord(_Part):
    """The part of a run that a shard's manifest describes."""

    index: int = Field(ge=0, description="From 0.")
    count: int = Field(ge=1)
    run: str = Field(
        description="Derived from the salt of the keys, so that it is the same for all shards of a run."
    )


class ShardHead(ManifestHead):
    """The first line of a shard's manifest; each further line is an item, in the order of `input_key`."""

    shard: ShardRecord
