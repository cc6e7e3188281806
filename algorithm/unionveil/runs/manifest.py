"""The record of a run: the result of every input, and the tool, models and settings.

It contains no time, no host and, unless asked for, no name: the same inputs and settings give the same bytes,
with one worker or many, interrupted or not.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from .. import __version__
from ..config import EMOJI, AnonymizeConfig, EveryFace, KSame, Overlay
from ..detections import Detections, Kind
from ..errors import ConfigError
from ..formats import Encoding
from ..given import BoxesMode
from ..identity.people import SAME_PERSON
from ..models.cards import DetectorCard, EmbedderCard, ModelCard
from ..models.inference import choose
from ..outcomes import Anonymized, AnonymizedVideo, Rejected, TrackBox
from ..outputs import MetadataName
from ..text import printable
from .shards import Shard
from .spool import Spool

__all__ = [
    "MANIFEST",
    "PREVIEWS",
    "Counts",
    "FaceRecord",
    "KindName",
    "Manifest",
    "ManifestBuilder",
    "ManifestHead",
    "Record",
    "RecordLine",
    "RedactedRecord",
    "RejectedRecord",
    "ShardHead",
    "ShardRecord",
    "Tally",
    "TrackRecord",
    "VideoRecord",
    "configuration_of",
    "detections_of",
    "is_manifest",
    "kind_name",
    "manifest_parts",
    "redacted_record",
    "rejected_record",
    "salted_digest",
    "shard_manifest",
    "video_record",
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
    # Fields that later versions add are ignored.
    model_config = ConfigDict(frozen=True, extra="ignore")


KindName: TypeAlias = Literal["face", "head", "text", "plate"]
"""Names of `Kind`."""


class FaceRecord(_Part):
    """One redacted face, head, line of text or plate."""

    frame: int = Field(ge=0, description="Frame or page, from 0.")
    xyxy: tuple[float, float, float, float] = Field(
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
    boxes: tuple[tuple[int, float, float, float, float], ...] = Field(
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

RecordLine: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="status")])
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
        faces = "1 face" if self.faces == 1 else f"{self.faces} faces"
        if not self.texts:
            return faces
        return f"{faces} and " + (
            "1 line of text or plate" if self.texts == 1 else f"{self.texts} lines of text or plates"
        )


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


class Tally:
    """Counts records.

    Args:
        method: of the redaction; faces covered by another could not be compared.
        keeps: whether faces may be left visible.
    """

    def __init__(self, method: str, *, keeps: bool) -> None:
        self._method = method
        self._keeps = keeps
        self._numbers: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Counts a record."""
        self._numbers["inputs"] += 1
        if isinstance(record, RejectedRecord):
            self._rejected[record.reason] += 1
            return
        self._numbers["kept"] += record.kept or 0
        if record.faces:
            people = [face for face in record.faces if face.is_person]
            self._numbers["redacted"] += 1
            self._numbers["faces"] += len(people)
            self._numbers["texts"] += len(record.faces) - len(people)
            self._numbers["not_compared"] += sum(face.method != self._method for face in people)
        else:
            self._numbers["without_face"] += 1

    def skip(self) -> None:
        """Counts a file that is not an input."""
        self._numbers["skipped"] += 1

    @staticmethod
    def total(parts: Sequence[Counts]) -> Counts:
        """The totals of a run from those of its parts."""
        tally = Tally("", keeps=any(part.kept is not None for part in parts))
        for part in parts:
            tally._numbers.update(part.model_dump(exclude={"rejected"}, exclude_none=True))
            tally._rejected.update(part.rejected)
        return tally.counts

    @property
    def counts(self) -> Counts:
        """Totals so far."""
        numbers = self._numbers
        return Counts(
            inputs=numbers["inputs"],
            redacted=numbers["redacted"],
            without_face=numbers["without_face"],
            rejected=dict(sorted(self._rejected.items())),
            faces=numbers["faces"],
            texts=numbers["texts"] or None,
            kept=numbers["kept"] if self._keeps else None,
            not_compared=numbers["not_compared"] or None,
            skipped=numbers["skipped"] or None,
        )


class ManifestBuilder:
    """Takes records as they come and writes the manifest at the end.

    Records wait in a temporary file: a million of them take 8 MB of memory, or 40 MB in a shard.

    Args:
        config: settings of the run.
        boxes: whether boxes were given, and whether they replaced the detector.
        shard: the part of a run that is written; None for a whole run.

    Raises:
        ConfigError: the overlay's picture cannot be read.
        ModelError: the file of a `yolo:FILE.onnx` does not exist, or the engine is not installed.
    """

    def __init__(
        self, config: AnonymizeConfig, boxes: BoxesMode | None = None, shard: ShardRecord | None = None
    ) -> None:
        self._configuration = configuration_of(config) | ({"boxes": boxes} if boxes else {})
        self._looks_only = config.redaction.looks_only
        self._models = tuple(
            ModelRecord(
                name=card.name,
                sha256=card.sha256,
                licence=card.licence,
                threshold=_threshold(card, config),
            )
            for card in (() if boxes == "instead" else config.cards)
        )
        chosen = choose(config.engine)
        self._inference = InferenceRecord(
            engine=chosen.engine, version=chosen.version, precision=chosen.precision
        )
        self._tally = Tally(config.redaction.method, keeps=not config.covers_everyone)
        self._shard = shard
        self._lines = Spool()
        self._keys = bytearray()

    def add(self, record: Record) -> None:
        """Adds the next input's record.

        Raises:
            OutputError: the disk of temporary files is full.
        """
        self._tally.add(record)
        if self._shard:
            if record.input_key is None:
                raise ValueError("a record of a shard has no key")
            self._keys += bytes.fromhex(record.input_key)
        self._lines.add(record.model_dump_json(exclude_none=True).encode())

    def skip(self) -> None:
        """Counts a file that is not an input."""
        self._tally.skip()

    @property
    def counts(self) -> Counts:
        """Totals so far."""
        return self._tally.counts

    @property
    def head(self) -> ManifestHead:
        """The part about all inputs."""
        return ManifestHead(
            models=self._models,
            inference=self._inference,
            configuration=self._configuration,
            looks_only=self._looks_only or None,
            counts=self.counts,
        )

    def records(self) -> Iterator[Record]:
        """The records so far, in the order of the inputs or, in a shard, of their keys."""
        lines = self._lines.sorted_by(self._keys) if self._shard else iter(self._lines)
        for number, line in enumerate(lines, 1):
            record = RecordLine.validate_json(line)
            yield record.model_copy(update={"input": number}) if self._shard else record

    def parts(self) -> Iterator[bytes]:
        """The manifest in pieces, to be written in order: JSON, or JSON lines for a shard."""
        if self._shard is None:
            yield from manifest_parts(self.head, iter(self._lines))
            return
        head = ShardHead(shard=self._shard, **dict(self.head))
        yield head.model_dump_json(exclude_none=True).encode() + b"\n"
        for record in self.records():
            yield record.model_dump_json(exclude_none=True).encode() + b"\n"

    def to_bytes(self) -> bytes:
        """The manifest as JSON, with one item per line."""
        return b"".join(self.parts())


def manifest_parts(head: ManifestHead, lines: Iterable[bytes]) -> Iterator[bytes]:
    """A manifest as JSON, with one item per line, in pieces to be written in order.

    Args:
        head: the part about all inputs.
        lines: the items as JSON.
    """
    text = head.model_dump_json(indent=1, exclude_none=True)
    yield f'{text[:-2]},\n "items": ['.encode()
    for number, line in enumerate(lines):
        yield (b",\n  " if number else b"\n  ") + line
    yield b"\n ]\n}\n"


def _threshold(card: ModelCard, config: AnonymizeConfig) -> float:
    """The threshold with which a model was used."""
    if isinstance(card, DetectorCard):
        return (card.task == "face" and config.threshold) or card.threshold
    if isinstance(card, EmbedderCard) and not isinstance(config.selection, EveryFace):
        return round(config.selection.least_cosine(card), 6)
    if isinstance(card, EmbedderCard):
        return SAME_PERSON
    raise TypeError(f"a model of the task {card.task} has no threshold")


_ABOUT_COVERS = ("cover", "text_method", "text_margin")
"""Settings that earlier versions' manifests do not have."""


def _covers_more(config: AnonymizeConfig) -> bool:
    """Whether settings cover more than faces."""
    usual = AnonymizeConfig()
    return any(getattr(config, name) != getattr(usual, name) for name in _ABOUT_COVERS)


def configuration_of(config: AnonymizeConfig) -> dict[str, str]:
    """Every setting in flat form, with the SHA-256 of a user's file in place of its path.

    A user's own detector is `yolo`, an embedder `onnx`; the records of the models contain the digests.

    Raises:
        ConfigError: the overlay's picture cannot be read.
        ModelError: the requested engine is not installed.
    """
    flat = config.to_parameters()
    if not _covers_more(config):
        flat = {name: value for name, value in flat.items() if name not in _ABOUT_COVERS}
    flat["engine"] = choose(config.engine).engine  # the engine that `auto` chose
    flat["embedder"] = config.embedder.partition(":")[0]
    flat["detector"] = ",".join(name.partition(":")[0] for name in config.detector)
    if isinstance(config.redaction, Overlay) and config.redaction.picture not in EMOJI:
        try:
            data = Path(config.redaction.picture).read_bytes()
        except OSError as error:
            raise ConfigError(f"picture: the file cannot be read: {error.strerror}") from error
        flat["picture"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if isinstance(config.redaction, KSame) and not config.redaction.is_own_surrogate:
        try:
            data = Path(config.redaction.surrogate).read_bytes()
        except OSError as error:
            raise ConfigError(f"surrogate: the file cannot be read: {error.strerror}") from error
        flat["surrogate"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return flat


def redacted_record(
    number: int,
    output: str,
    outcome: Anonymized,
    config: AnonymizeConfig,
    digest: str | None,
    key: str | None = None,
) -> RedactedRecord:
    """The record of a written output.

    Args:
        number: of the input, from 1.
        output: name of the output.
        outcome: the written picture.
        config: settings of the run.
        digest: of the input, if asked for.
        key: of the input, in shards.
    """
    return RedactedRecord(
        input=number,
        input_digest=digest,
        input_key=key,
        output=output,
        sha256=hashlib.sha256(outcome.data).hexdigest(),
        size_bytes=len(outcome.data),
        format=outcome.format.name.lower(),
        size_wh=outcome.size_wh,
        frames=len(outcome.faces),
        encoding=outcome.encoding.value,
        kept=None if config.covers_everyone else outcome.kept,
        metadata=outcome.metadata or None,
        faces=tuple(
            _face_record(frame, faces[place : place + 1], config)
            for frame, faces in enumerate(outcome.faces)
            for place in range(len(faces))
        ),
    )


def video_record(
    number: int,
    output: str,
    outcome: AnonymizedVideo,
    config: AnonymizeConfig,
    digest: str | None,
    key: str | None = None,
) -> RedactedRecord:
    """The record of a written video; arguments as for `redacted_record`."""
    tracks = outcome.tracks
    return RedactedRecord(
        input=number,
        input_digest=digest,
        input_key=key,
        output=output,
        sha256=outcome.sha256,
        size_bytes=outcome.size_bytes,
        format=outcome.format.name.lower(),
        size_wh=outcome.size_wh,
        frames=outcome.frames,
        encoding=Encoding.PIXELS.value,
        kept=None if config.covers_everyone else outcome.kept,
        faces=tuple(
            FaceRecord(
                frame=track.best.frame,
                xyxy=_rounded(track.best),
                score=round(track.score, 3),
                method=config.method_of(track.kind),
                kind=kind_name(track.kind),
            )
            for track in tracks
        ),
        video=VideoRecord(
            seconds=round(outcome.seconds, 3),
            codec=outcome.codec,
            sound=outcome.has_sound,
            tracks=tuple(
                TrackRecord(
                    first_frame=track.first,
                    last_frame=track.last,
                    score=round(track.score, 3),
                    boxes=tuple((box.frame, *_rounded(box)) for box in track.boxes),
                )
                for track in tracks
            ),
        ),
    )


def _rounded(box: TrackBox) -> tuple[float, float, float, float]:
    left, top, right, bottom = (round(value, 1) for value in box.xyxy)
    return left, top, right, bottom


def _face_record(frame: int, face: Detections, config: AnonymizeConfig) -> FaceRecord:
    """The record of one detection; it never identifies a person or a group."""
    kind, redaction = Kind(int(face.kind[0])), config.redaction
    is_shared = isinstance(redaction, KSame) and bool(face.identity[0] >= 0)
    return FaceRecord(
        frame=frame,
        # Tenths of a pixel, and thousandths: finer figures differ between machines.
        xyxy=tuple(round(float(value), 1) for value in face.xyxy[0]),
        score=round(float(face.score[0]), 3),
        method=config.method_of(kind, is_shared=is_shared),
        k=redaction.k if isinstance(redaction, KSame) and is_shared else None,
        kind=kind_name(kind),
    )


def rejected_record(
    number: int,
    name: str,
    outcome: Rejected,
    config: AnonymizeConfig,
    digest: str | None,
    key: str | None = None,
) -> RejectedRecord:
    """The record of an input without an output.

    Args:
        number: of the input, from 1.
        name: of the input, recorded only where names are kept.
        outcome: the reason why there is no output.
        config: settings of the run.
        digest: of the input, if asked for.
        key: of the input, in shards.
    """
    return RejectedRecord(
        input=number,
        input_digest=digest,
        input_key=key,
        name=printable(name, quoted=False, most=None) if config.names == "keep" else None,
        reason=outcome.reason,
        detail=printable(outcome.detail, quoted=False, most=None),
    )


def salted_digest(data: bytes, salt: str) -> str:
    """HMAC-SHA256 (RFC 2104) of an input's bytes, hexadecimal.

    Only someone with both salt and photo can check membership.
    """
    return hmac.new(salt.encode(), data, hashlib.sha256).hexdigest()
