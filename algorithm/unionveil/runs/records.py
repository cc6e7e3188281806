"""Settings and outcomes as they stand in a manifest; nothing in them identifies a person or a group."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from ..config import EMOJI, AnonymizeConfig, EveryFace, KSame, Overlay
from ..detections import Detections, Kind
from ..errors import ConfigError, cannot_be_read
from ..formats import Encoding
from ..identity.people import SAME_PERSON
from ..models.cards import DetectorCard, EmbedderCard, ModelCard
from ..models.inference import choose
from ..outcomes import Anonymized, AnonymizedVideo, Rejected, TrackBox
from ..text import printable
from .schema import (
    FaceRecord,
    InferenceRecord,
    ModelRecord,
    RedactedRecord,
    RejectedRecord,
    TrackRecord,
    VideoRecord,
    kind_name,
)

__all__ = [
    "configuration_of",
    "inference_record",
    "model_records",
    "redacted_record",
    "rejected_record",
    "salted_digest",
    "video_record",
]


def model_records(config: AnonymizeConfig) -> tuple[ModelRecord, ...]:
    """The models that settings use, with their thresholds.

    Raises:
        ModelError: the file of a `yolo:FILE.onnx` does not exist.
    """
    return tuple(
        ModelRecord(
            name=card.name, sha256=card.sha256, licence=card.licence, threshold=_threshold(card, config)
        )
        for card in config.cards
    )


def _threshold(card: ModelCard, config: AnonymizeConfig) -> float:
    """The threshold with which a model was used."""
    if isinstance(card, DetectorCard):
        return (card.task == "face" and config.threshold) or card.threshold
    if isinstance(card, EmbedderCard) and not isinstance(config.selection, EveryFace):
        return round(config.selection.least_cosine(card), 6)
    if isinstance(card, EmbedderCard):
        return SAME_PERSON
    raise TypeError(f"a model of the task {card.task} has no threshold")


def inference_record(config: AnonymizeConfig) -> InferenceRecord:
    """The engine that settings use.

    Raises:
        ModelError: the engine is not installed.
    """
    chosen = choose(config.engine)
    return InferenceRecord(engine=chosen.engine, version=chosen.version, precision=chosen.precision)


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
        ConfigError: the overlay's picture or the generator of faces cannot be read.
        ModelError: the requested engine is not installed.
    """
    flat = config.to_parameters()
    if not _covers_more(config):
        flat = {name: value for name, value in flat.items() if name not in _ABOUT_COVERS}
    flat["engine"] = choose(config.engine).engine  # the engine that `auto` chose
    flat["embedder"] = config.embedder.partition(":")[0]
    flat["detector"] = ",".join(name.partition(":")[0] for name in config.detector)
    if isinstance(config.redaction, Overlay) and config.redaction.picture not in EMOJI:
        flat["picture"] = _digest_of("picture", config.redaction.picture)
    if isinstance(config.redaction, KSame) and not config.redaction.is_own_surrogate:
        flat["surrogate"] = _digest_of("surrogate", config.redaction.surrogate)
    return flat


def _digest_of(setting: str, path: str) -> str:
    """The SHA-256 of the file that a setting names, in place of its path."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{setting}: {cannot_be_read(error)}") from error
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


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


def salted_digest(data: bytes, salt: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of an input's bytes, hexadecimal.

    Only someone with both salt and photo can check membership.
    """
    return hmac.new(salt, data, hashlib.sha256).hexdigest()
