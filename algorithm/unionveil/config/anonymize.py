"""All settings together.

The command line's flags, the Ocean job's parameters, the published `consumerParameters` and the JSON Schema
are derived from `AnonymizeConfig`. In two of those four cases a setting arrives as a string, so every model
accepts strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, SecretStr, field_validator, model_validator

from ..errors import ConfigError
from ..formats import ImageFormat
from ..models.cards import (
    DETECTORS,
    EMBEDDERS,
    PLATE_DETECTOR,
    TEXT_DETECTOR,
    DetectorCard,
    EmbedderCard,
    ModelCard,
    cards_of,
    embedder_card,
)
from ..models.inference import EngineSetting, Inference, choose
from ..outputs import METADATA, MetadataName, OutputOptions
from ..parameters import Parameter, flatten, near, to_parameters, unflatten
from .base import Setting, measured_if_left_out
from .redactions import Average, Bilateral, Fill, Gaussian, KSame, Median, Overlay, Pixelate, Redaction
from .selections import EveryFace, Selection

if TYPE_CHECKING:
    from ..detections import Kind

__all__ = [
    "COVERS",
    "H264_MOST_CRF",
    "VIDEO_SETTINGS",
    "AnonymizeConfig",
    "AudioHandling",
    "VideoCodec",
    "check_one_by_one",
    "parameters",
]

_Cover = Literal["face", "head", "text", "plate"]

COVERS: tuple[str, ...] = get_args(_Cover)
"""Kinds of detections that can be covered."""
VideoCodec = Literal["auto", "h264", "av1", "vp9"]
"""Codecs of output videos."""

H264_MOST_CRF = 51
"""Largest constant rate factor of H.264; x264 would use it silently for larger ones."""

AudioHandling = Literal["drop", "keep"]
"""Treatments of a video's sound."""


VIDEO_SETTINGS = frozenset({"codec", "crf", "audio", "every"})
"""Names of the settings that apply only to videos; interfaces without videos do not offer them."""


class AnonymizeConfig(Setting):
    """All settings: what to detect, how thoroughly, and how to cover it."""

    detector: tuple[str, ...] = Field(
        ("retinaface",),
        min_length=1,
        description="Detectors, separated by commas; what any of them finds is covered: "
        f"{', '.join(DETECTORS[:-1])}, yolo:FILE.onnx.",
    )
    detail: Literal["fast", "standard", "crowd"] = Field(
        "standard", description="fast: one pass at 640 px. crowd: hundreds of small faces, slower."
    )
    engine: EngineSetting = Field(
        "auto",
        description="Engine that runs the networks; one that is not installed is an error. auto: the "
        "fastest on this machine.",
    )
    mirror: Literal["auto", "no"] = Field(
        "auto",
        description="auto: also searches the mirrored picture, in twice the time; finds more faces. With "
        "detail crowd always; with standard if it then takes hardly longer than a photo of 12 megapixels: up "
        "to about 3100 px at 3:2, 2900 px at 4:3 and 2500 px for squares. no: never.",
    )
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Least score of a face; lower values find more faces and more false positives. Scores "
        "depend on how many boxes of a network agree. Default: the value measured for each detector.",
    )
    cover: tuple[_Cover, ...] = Field(
        ("face",),
        min_length=1,
        description="Kinds to cover, separated by commas: face; head (a face with hair, ears and chin); "
        "text, such as number plates, badges and screens (extra `text`); plate, number plates alone.",
    )
    min_face: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Faces of which both sides are shorter than this, in pixels, stay visible: for false "
        "positives, or crowds in which nobody can be recognized. Default: every size is covered.",
    )
    max_face: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Faces of which both sides are longer than this, in pixels, stay visible, such as "
        "posters. Default: every size is covered.",
    )
    selection: Selection = Field(EveryFace(), description="Whose faces are covered.")
    embedder: str = Field(
        "sface",
        description=f"Network that recognizes people: {', '.join(EMBEDDERS)}, or onnx:FILE.onnx with a card "
        "in FILE.json.",
    )
    redaction: Redaction = Field(
        Fill(),
        description="Method that covers a face. fill and overlay leave nothing; gaussian, median and "
        "average hardly more; pixelate and bilateral are for looks only: a trained attacker recognizes "
        "people behind them.",
    )
    shape: Literal["box", "ellipse"] = Field(
        "box", description="Outline of what is covered; the ellipse encloses the whole box."
    )
    margin: float = Field(
        0.15,
        ge=0,
        le=1,
        description="Margin of the cover around a face, as a share of the face's size; a third more above, "
        "a third less below.",
    )
    text_method: Literal["fill", "same"] = Field(
        "fill",
        description="Method that covers text and plates. fill: one colour. same: as faces, but blurred and "
        "pixelated letters can be read with some effort.",
    )
    text_margin: float = Field(
        0.2,
        ge=0,
        le=2,
        description="Margin of the cover around a line of text or a plate, as a share of its shorter side.",
    )
    names: Literal["number", "keep"] = Field(
        "number", description="Names of the outputs: numbers, or the names of the inputs."
    )
    keep_metadata: tuple[MetadataName, ...] = Field(
        (),
        description="Metadata that outputs keep, separated by commas: date, gps, copyright. It is read from "
        "EXIF, and its values are written anew; BMP, GIF, BigTIFF and animated AVIF cannot hold it. Default: "
        "none is kept.",
    )
    gps_decimals: int | None = Field(
        None,
        ge=0,
        le=7,
        description="If gps is kept: decimal places of degrees to which positions are rounded: 3 is about "
        "110 m, 2 is 1.1 km, 1 is 11 km. The altitude is then left out.",
    )
    output_format: Literal["same", "jpeg", "png", "webp"] = Field(
        "same",
        description="Format of the outputs. same: the input's. Any other rejects animations and files of "
        "several pages.",
    )
    quality: int | None = Field(
        None,
        ge=20,
        le=100,
        description="Quality of JPEG and WebP outputs, all of which are encoded anew. Default: the input's "
        "if the format stays, otherwise 90.",
    )
    max_megapixels: float = Field(
        200, gt=0, le=2000, description="A picture with more, all its frames together, is rejected."
    )
    check_outputs: Literal["yes", "no"] = Field(
        "yes",
        description="yes: every output is decoded and compared with the redacted picture before it counts "
        "as done, which takes about 5 % of the time for JPEG and HEIC and 10 % for others. no: writers are "
        "trusted.",
    )
    codec: VideoCodec = Field(
        "auto",
        description="Codec of videos. auto: h264, or vp9 in WebM. If the input's container cannot hold "
        "it, the output is MP4.",
    )
    crf: int | None = Field(
        None,
        ge=0,
        le=63,
        description="Constant rate factor of videos, at most 51 for h264; lower values give better, larger "
        "videos. Default: 17 for h264, 24 for av1 and vp9.",
    )
    audio: AudioHandling = Field(
        "drop",
        description="Sound of videos. drop: left out, since voices identify people. keep: copied unchanged.",
    )
    every: int = Field(
        1,
        ge=1,
        le=15,
        description="Searches every Nth frame of a video for faces, at least four times per second; optical "
        "flow carries boxes across the others.",
    )
    digest_salt: SecretStr | None = Field(
        None,
        description="Adds to the manifest a digest of every input, salted with this secret text.",
    )

    @field_validator("detector", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("detector")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            kind, colon, path = name.partition(":")
            if kind not in DETECTORS:
                raise ValueError(f"unknown detector {name!r}{near(kind, DETECTORS)}")
            if (kind == "yolo") != bool(colon and path):
                wanted = "yolo:FILE.onnx" if kind == "yolo" else kind
                raise ValueError(f"write detector {name!r} as {wanted}")
        if len(set(value)) != len(value):
            raise ValueError("a detector is named twice")
        return value

    @field_validator("cover", mode="before")
    @classmethod
    def _known_cover(cls, value: Any) -> Any:
        names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        for name in names if isinstance(names, list | tuple) else ():
            if name not in COVERS:
                raise ValueError(f"{name!r} cannot be covered; known: {', '.join(COVERS)}")
        return tuple(names) if isinstance(names, list) else names

    @field_validator("cover")
    @classmethod
    def _each_once(cls, value: tuple[_Cover, ...]) -> tuple[_Cover, ...]:
        if len(set(value)) != len(value):
            raise ValueError("something is named twice")
        if {"face", "head"} <= set(value):
            raise ValueError("a head holds its face; name one of the two")
        # One order, so that the same choice is the same setting.
        return tuple(name for name in get_args(_Cover) if name in value)

    @model_validator(mode="after")
    def _about_faces(self) -> AnonymizeConfig:
        """Refuses combinations that would leave more visible than they suggest."""
        if not self.covers_people and not isinstance(self.selection, EveryFace):
            raise ValueError(f"select {self.selection.select} chooses among faces; add face to cover")
        if isinstance(self.redaction, KSame) and "face" not in self.cover:
            raise ValueError(
                "method ksame replaces faces; add face to cover, and use surround fill to cover heads as well"
            )
        return self

    @field_validator("embedder")
    @classmethod
    def _known_embedder(cls, value: str) -> str:
        kind, colon, path = value.partition(":")
        if value not in EMBEDDERS and not (kind == "onnx" and colon and path):
            raise ValueError(f"unknown embedder {value!r}{near(value, (*EMBEDDERS, 'onnx:FILE.onnx'))}")
        return value

    @field_validator("keep_metadata", mode="before")
    @classmethod
    def _split_metadata(cls, value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        names = {part.strip() for part in parts} - {""}
        unknown = sorted(names - set(METADATA))
        if unknown:
            raise ValueError(f"unknown metadata {unknown[0]!r}{near(unknown[0], METADATA)}")
        return tuple(name for name in METADATA if name in names)

    _default_threshold = field_validator("threshold", mode="before")(measured_if_left_out)

    @field_validator("digest_salt", "min_face", "max_face", "gps_decimals", "quality", "crf", mode="before")
    @classmethod
    def _not_given(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="after")
    def _fits_together(self) -> AnonymizeConfig:
        if self.gps_decimals is not None and "gps" not in self.keep_metadata:
            raise ValueError("gps_decimals: without keep_metadata gps there is no position to round; add it")
        if self.min_face and self.max_face and self.min_face > self.max_face:
            raise ValueError(
                f"min_face: {self.min_face:g} is above max_face, {self.max_face:g}, so that no face would be "
                "covered"
            )
        if self.codec == "h264" and (self.crf or 0) > H264_MOST_CRF:
            raise ValueError(
                f"crf: {self.crf} is above {H264_MOST_CRF}, the largest of h264; lower it, or choose codec "
                "av1 or vp9"
            )
        return self

    @property
    def covers_everyone(self) -> bool:
        """Whether every face that is found is covered: no person and no size of face is left out."""
        sizes = (self.min_face, self.max_face)
        return isinstance(self.selection, EveryFace) and sizes == (None, None)

    @property
    def salt(self) -> bytes | None:
        """The salt of digests; a text from a command line need not be UTF-8."""
        return (
            self.digest_salt.get_secret_value().encode(errors="surrogatepass") if self.digest_salt else None
        )

    @property
    def outputs(self) -> OutputOptions:
        """Format, quality and metadata of the outputs."""
        form = None if self.output_format == "same" else ImageFormat[self.output_format.upper()]
        return OutputOptions(form, self.quality, self.keep_metadata, self.gps_decimals)

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The cards of all weights that these settings use; no weights are loaded.

        Raises:
            ModelError: the file of a `yolo:FILE.onnx` or an `onnx:FILE.onnx` does not exist.
            ConfigError: the card of an `onnx:FILE.onnx` is missing or invalid.
        """
        faces = self.detector_cards if self.covers_people else ()
        texts = cards_of(TEXT_DETECTOR) if self.covers_text else ()
        plates = cards_of(PLATE_DETECTOR) if self.covers_plates else ()
        return (*faces, *texts, *plates, *([self.embedder_card] if self.embedder_card else []))

    @property
    def covers_people(self) -> bool:
        """Whether faces are detected."""
        return "face" in self.cover or "head" in self.cover

    @property
    def covers_heads(self) -> bool:
        """Whether the covers of faces grow to those of heads."""
        return "head" in self.cover

    @property
    def covers_text(self) -> bool:
        """Whether text is detected."""
        return "text" in self.cover

    @property
    def covers_plates(self) -> bool:
        """Whether number plates are detected."""
        return "plate" in self.cover

    @property
    def text_redaction(self) -> Fill | Pixelate | Gaussian | Median | Bilateral | Average | Overlay:
        """The redaction of text and plates: never a surrogate face; a fill has the colour of faces."""
        if isinstance(self.redaction, KSame) or (
            self.text_method == "fill" and not isinstance(self.redaction, Fill)
        ):
            return Fill()
        return self.redaction

    def method_of(self, kind: Kind, *, is_shared: bool = True) -> str:
        """The method that covers a detection.

        Args:
            kind: of the detection.
            is_shared: whether k-same has a face for it; what has none is filled.
        """
        if not kind.is_person:
            return self.text_redaction.method
        return "fill" if isinstance(self.redaction, KSame) and not is_shared else self.redaction.method

    @property
    def for_text(self) -> AnonymizeConfig:
        """Settings that cover everything as these cover text and plates."""
        return self.model_copy(update={"redaction": self.text_redaction, "text_method": "same"})

    @property
    def detector_cards(self) -> tuple[DetectorCard, ...]:
        """The cards of the face detectors; no weights are loaded.

        Raises:
            ModelError: the file of a `yolo:FILE.onnx` does not exist.
        """
        return tuple(card for name in self.detector for card in cards_of(name))

    @property
    def embedder_card(self) -> EmbedderCard | None:
        """The card of the embedder; None if these settings do not recognize people.

        Raises:
            ModelError: the file of an `onnx:FILE.onnx` does not exist.
            ConfigError: its card is missing or invalid.
        """
        needs_none = isinstance(self.selection, EveryFace) and not isinstance(self.redaction, KSame)
        return None if needs_none else embedder_card(self.embedder)

    def resolved(self) -> tuple[AnonymizeConfig, Inference]:
        """These settings with `auto` replaced by this machine's engine, and the reason for that choice.

        Raises:
            ModelError: the requested engine is not installed.
        """
        inference = choose(self.engine)
        return self.model_copy(update={"engine": inference.engine}), inference

    @classmethod
    def from_parameters(cls, given: Mapping[str, Any]) -> AnonymizeConfig:
        """Builds a configuration from flat names and values, the form of flags and of Ocean's parameters.

        Args:
            given: values by name as `parameters()` lists them; strings are converted.

        Raises:
            ConfigError: an unknown name, a setting of another method, or a value that is not allowed.
        """
        return unflatten(cls, given)

    def to_parameters(self) -> dict[str, str]:
        """The flat form; `from_parameters` restores this configuration, except for the secret salt."""
        return to_parameters(self)


def parameters() -> tuple[Parameter, ...]:
    """Every setting in flat form, in display order; `method` selects the redaction."""
    return flatten(AnonymizeConfig)


def check_one_by_one(config: AnonymizeConfig, door: str) -> None:
    """Refuses methods that need the whole data set if pictures come one by one.

    Args:
        config: settings.
        door: the interface that receives the pictures, as the subject of a sentence: "a server".

    Raises:
        ConfigError: the method needs all pictures before it redacts the first.
    """
    if config.redaction.needs_whole_set:
        raise ConfigError(
            f"method {config.redaction.method} compares all people of a data set before it redacts the "
            f"first picture, and {door} takes pictures one by one: run `unionveil anonymize --method "
            f"{config.redaction.method}` on the whole data set, or choose another method"
        )
