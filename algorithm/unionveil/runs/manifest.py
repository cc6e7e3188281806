"""The record of a run: what became of every input, and with which tool, model and settings.

It holds no clock, no host and, unless asked for, no name: the same inputs and settings give the same bytes,
for one worker or many, interrupted or not.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field

from .. import __version__
from ..config import EMOJI, AnonymizeConfig, EveryFace, KSame, Overlay
from ..detections import Detections, Kind
from ..errors import ConfigError
from ..given import BoxesMode
from ..identity.people import SAME_PERSON
from ..models.cards import DetectorCard, EmbedderCard, ModelCard
from ..models.inference import choose
from ..outcomes import Anonymized, Rejected
from ..text import printable

__all__ = [
    "MANIFEST",
    "PREVIEWS",
    "Counts",
    "FaceRecord",
    "KindName",
    "Manifest",
    "ManifestBuilder",
    "Record",
    "RedactedRecord",
    "RejectedRecord",
    "configuration_of",
    "covers_more",
    "detections_of",
    "kind_name",
    "redacted_record",
    "rejected_record",
    "salted_digest",
]


MANIFEST = "manifest.json"
"""Its name in an output folder."""

PREVIEWS = "preview"
"""Name of the folder of previews in an output folder."""


class _Part(BaseModel):
    # What a later version adds is passed over.
    model_config = ConfigDict(frozen=True, extra="ignore")


KindName: TypeAlias = Literal["face", "head", "text"]
"""Names of `Kind`."""


class FaceRecord(_Part):
    """One redacted face, or what else was covered."""

    frame: int = Field(ge=0, description="Frame or page, from 0.")
    xyxy: tuple[float, float, float, float] = Field(
        description="Left, top, right, bottom as detected, before the margin, in upright pixels."
    )
    score: float = Field(ge=0, le=1, description="The detector's confidence.")
    method: str = Field(
        description="What replaced it; fill instead of ksame where it could not be compared with others."
    )
    k: int | None = Field(
        None,
        ge=2,
        description="People who share the face that replaced it, at least; only for ksame. Since 1.2.",
    )
    kind: str | None = Field(None, description="What it is, where it is not a face: head or text. Since 1.3.")

    @property
    def is_person(self) -> bool:
        """Whether it is a face or a head."""
        return self.detected.is_person

    @property
    def detected(self) -> Kind:
        """What it is; a kind of a later version is covered as text is."""
        return Kind.__members__.get((self.kind or "face").upper(), Kind.TEXT)


def kind_name(kind: int) -> KindName | None:
    """The name of a `Kind` as a manifest has it; None for a face."""
    return None if kind == Kind.FACE else cast("KindName", Kind(kind).name.lower())


def detections_of(records: Iterable[FaceRecord]) -> Detections:
    """The boxes of a manifest as detections, in their order."""
    rows = list(records)
    return Detections.of(
        [row.xyxy for row in rows],
        [row.score for row in rows],
        kind=[int(row.detected) for row in rows] if rows else Kind.FACE,
    )


class RedactedRecord(_Part):
    """An input that was anonymized."""

    status: Literal["redacted"] = "redacted"
    input: int = Field(ge=1, description="Number of the input, in the order in which they were read.")
    input_digest: str | None = Field(
        None, description="HMAC-SHA256 of the input's bytes under the salt that was given, hexadecimal."
    )
    output: str = Field(description="Name of the output, relative to this manifest.")
    sha256: str = Field(description="SHA-256 of the output's bytes, hexadecimal.")
    size_bytes: int = Field(ge=0)
    format: str
    size_wh: tuple[int, int] = Field(description="Width and height of the first frame, upright, in pixels.")
    frames: int = Field(ge=1, description="Frames or pages.")
    encoding: str | None = Field(
        None,
        description="How the coded samples came about: pixels (encoded anew), coefficients (of a JPEG, exact "
        "outside of covers) or kept (accounted for byte by byte). Since 1.1.",
    )
    faces: tuple[FaceRecord, ...]
    kept: int | None = Field(
        None, ge=0, description="Faces left visible, where not every face is covered. Since 1.2."
    )
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
    name: str | None = Field(None, description="Name of the input, only where names are kept.")
    reason: str = Field(description="One word: unreadable, unsupported, too-large, crashed, bomb...")
    detail: str = Field(description="One sentence.")


Record: TypeAlias = RedactedRecord | RejectedRecord


class Counts(_Part):
    """Totals of a run: inputs = redacted + without_face + all that was rejected."""

    inputs: int = Field(ge=0)
    redacted: int = Field(
        ge=0, description="Outputs with at least one redacted face, head or, since 1.3, text."
    )
    without_face: int = Field(ge=0, description="Outputs in which nothing was found that was to be covered.")
    rejected: dict[str, int] = Field(description="Inputs without an output, by reason.")
    faces: int = Field(ge=0, description="Redacted faces and heads in all outputs.")
    texts: int | None = Field(
        None, ge=0, description="Redacted lines of text in all outputs, where text is covered. Since 1.3."
    )
    kept: int | None = Field(
        None,
        ge=0,
        description="Faces left visible in all outputs, where not all are covered. Since 1.2.",
    )
    not_compared: int | None = Field(
        None,
        ge=1,
        description="Of the redacted faces, those that method ksame could not compare and filled instead. "
        "Since 1.2.",
    )
    skipped: int | None = Field(
        None,
        ge=1,
        description="Files beside the inputs that are not pictures (sidecars, texts, files of systems), and "
        "those that were left out on request; they are not inputs and have no item.",
    )


class ModelRecord(_Part):
    """Weights that were used."""

    name: str
    sha256: str
    licence: str
    threshold: float = Field(
        description="Least score that counted as a face; of an embedder the least cosine similarity that "
        "counted as the same person."
    )


class ToolRecord(_Part):
    """The program that wrote the outputs."""

    name: Literal["unionveil"] = "unionveil"
    version: str = __version__


class InferenceRecord(_Part):
    """What ran the networks."""

    engine: str
    version: str = Field(description="Of the package that brings it.")
    precision: str = Field(description="float32, or bfloat16, whose boxes differ by tenths of a pixel.")


class Manifest(_Part):
    """What became of every input of a run."""

    schema_version: str = Field(
        "1.2",
        pattern=r"^1\.[0-9]+$",
        description="Later versions 1.x add optional fields only. 1.3 where more than faces is covered.",
    )
    tool: ToolRecord = ToolRecord()
    models: tuple[ModelRecord, ...]
    inference: InferenceRecord | None = None
    configuration: dict[str, str] = Field(
        description="Every setting, in the form of a parameter; the digest of a file in place of its path. "
        "Those about what is covered only where that is more than faces."
    )
    looks_only: bool | None = Field(
        None,
        description="True where the method is for looks only: a trained attacker recognizes people behind "
        "it. Since 1.1.",
    )
    counts: Counts
    items: tuple[Annotated[Record, Field(discriminator="status")], ...] = Field(
        description="In the order of the inputs."
    )


class ManifestBuilder:
    """Collects records as they come and writes the manifest at the end.

    Records are kept as bytes, about a kilobyte each, so ten thousand pictures cost ten megabytes.

    Args:
        config: settings of the run.
        boxes: whether boxes were given, and whether they took the detector's place.

    Raises:
        ConfigError: the overlay's picture cannot be read.
        ModelError: the file of a `yolo:FILE.onnx` is not there, or the engine is not installed.
    """

    def __init__(self, config: AnonymizeConfig, boxes: BoxesMode | None = None) -> None:
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
        self._keeps = not isinstance(config.selection, EveryFace)
        self._kept = 0
        chosen = choose(config.engine)
        self._inference = InferenceRecord(
            engine=chosen.engine, version=chosen.version, precision=chosen.precision
        )
        self._lines: list[bytes] = []
        self._rejected: Counter[str] = Counter()
        self._redacted = self._without_face = self._faces = self._skipped = self._not_compared = 0
        self._texts = 0
        self._has_kinds = False
        self._config = config

    def add(self, record: Record) -> None:
        """Adds the next input's record."""
        if isinstance(record, RejectedRecord):
            self._rejected[record.reason] += 1
        elif record.faces:
            people = [face for face in record.faces if face.is_person]
            self._has_kinds |= any(face.kind for face in record.faces)
            self._redacted += 1
            self._faces += len(people)
            self._texts += len(record.faces) - len(people)
            self._not_compared += sum(face.method != self._config.redaction.method for face in people)
        else:
            self._without_face += 1
        if isinstance(record, RedactedRecord):
            self._kept += record.kept or 0
        self._lines.append(record.model_dump_json(exclude_none=True).encode())

    def skip(self) -> None:
        """Counts a file that is not an input."""
        self._skipped += 1

    @property
    def counts(self) -> Counts:
        """Totals so far."""
        return Counts(
            inputs=len(self._lines),
            redacted=self._redacted,
            without_face=self._without_face,
            rejected=dict(sorted(self._rejected.items())),
            faces=self._faces,
            texts=self._texts if self._config.covers_text or self._texts else None,
            kept=self._kept if self._keeps else None,
            not_compared=self._not_compared or None,
            skipped=self._skipped or None,
        )

    def parts(self) -> Iterator[bytes]:
        """The manifest as JSON, one item a line, in pieces to be written one after the other."""
        is_newer = self._has_kinds or covers_more(self._config)
        head = Manifest(
            schema_version="1.3" if is_newer else "1.2",
            models=self._models,
            inference=self._inference,
            configuration=self._configuration,
            looks_only=self._looks_only or None,
            counts=self.counts,
            items=(),
        ).model_dump_json(indent=1, exclude={"items"}, exclude_none=True)
        yield f'{head[:-2]},\n "items": ['.encode()
        for number, line in enumerate(self._lines):
            yield (b",\n  " if number else b"\n  ") + line
        yield b"\n ]\n}\n"

    def to_bytes(self) -> bytes:
        """The manifest as JSON, one item a line."""
        return b"".join(self.parts())


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
"""Settings that manifests of earlier versions do not have."""


def covers_more(config: AnonymizeConfig) -> bool:
    """Whether settings are about more than faces."""
    usual = AnonymizeConfig()
    return any(getattr(config, name) != getattr(usual, name) for name in _ABOUT_COVERS)


def configuration_of(config: AnonymizeConfig) -> dict[str, str]:
    """Every setting in flat form, with the SHA-256 of a user's file in place of its path.

    A detector of the user's own is `yolo`, an embedder `onnx`; the records of the models hold the digests.

    Raises:
        ConfigError: the overlay's picture cannot be read.
        ModelError: the engine that was asked for is not installed.
    """
    flat = config.to_parameters()
    if not covers_more(config):
        flat = {name: value for name, value in flat.items() if name not in _ABOUT_COVERS}
    flat["engine"] = choose(config.engine).engine  # what `auto` stands for here
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
    number: int, output: str, outcome: Anonymized, config: AnonymizeConfig, digest: str | None
) -> RedactedRecord:
    """The record of a written output.

    Args:
        number: of the input, from 1.
        output: name of the output.
        outcome: what was written.
        config: settings of the run.
        digest: of the input, if asked for.
    """
    return RedactedRecord(
        input=number,
        input_digest=digest,
        output=output,
        sha256=hashlib.sha256(outcome.data).hexdigest(),
        size_bytes=len(outcome.data),
        format=outcome.format.name.lower(),
        size_wh=outcome.size_wh,
        frames=len(outcome.faces),
        encoding=outcome.encoding.value,
        kept=None if isinstance(config.selection, EveryFace) else outcome.kept,
        faces=tuple(
            _face_record(frame, faces[place : place + 1], config)
            for frame, faces in enumerate(outcome.faces)
            for place in range(len(faces))
        ),
    )


def _face_record(frame: int, face: Detections, config: AnonymizeConfig) -> FaceRecord:
    """The record of one detection. Whom it belongs to, or with whom it shares a face, is never in it."""
    kind, redaction = Kind(int(face.kind[0])), config.redaction
    is_shared = isinstance(redaction, KSame) and bool(face.identity[0] >= 0)
    if not kind.is_person:
        method: str = config.text_redaction.method
    else:
        method = "fill" if isinstance(redaction, KSame) and not is_shared else redaction.method
    return FaceRecord(
        frame=frame,
        # A tenth of a pixel and a thousandth: finer figures differ between machines.
        xyxy=tuple(round(float(value), 1) for value in face.xyxy[0]),
        score=round(float(face.score[0]), 3),
        method=method,
        k=redaction.k if isinstance(redaction, KSame) and is_shared else None,
        kind=kind_name(kind),
    )


def rejected_record(
    number: int, name: str, outcome: Rejected, config: AnonymizeConfig, digest: str | None
) -> RejectedRecord:
    """The record of an input without an output.

    Args:
        number: of the input, from 1.
        name: of the input, recorded only where names are kept.
        outcome: why there is no output.
        config: settings of the run.
        digest: of the input, if asked for.
    """
    return RejectedRecord(
        input=number,
        input_digest=digest,
        name=printable(name, quoted=False, most=None) if config.names == "keep" else None,
        reason=outcome.reason,
        detail=printable(outcome.detail, quoted=False, most=None),
    )


def salted_digest(data: bytes, salt: str) -> str:
    """HMAC-SHA256 (RFC 2104) of an input's bytes, hexadecimal.

    Only someone with both salt and photo can check membership.
    """
    return hmac.new(salt.encode(), data, hashlib.sha256).hexdigest()
