"""Model cards: what each model is, who made it and which files it consists of. Nothing is loaded here.

The card of a published model is a JSON file in `published/`; training writes the card of the project's own
weights beside them. Nothing about a model is guessed from its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from ..errors import ConfigError, ModelError

__all__ = [
    "CARDS",
    "DETECTORS",
    "EMBEDDERS",
    "TEXT_DETECTOR",
    "WEIGHTS",
    "DetectorCard",
    "EmbedderCard",
    "ModelCard",
    "Weights",
    "card_of",
    "cards_of",
    "embedder_card",
]

WEIGHTS = Path(__file__).parent.parent / "weights"
"""Folder of the weights that travel with the package."""


class Weights(BaseModel):
    """A file of weights.

    Attributes:
        file: its name.
        sha256: hex digest that it must have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str


class ModelCard(Weights):
    """One model.

    Attributes:
        name: its name in the configuration.
        task: what it is for.
        kind: the adapter that runs it.
        licence: SPDX identifier of the weights' licence, as their publisher states it.
        source: who made them, in words.
        url: pinned address to fetch them from; None where the file comes with a package.
        package: Python package that carries the file, if one does.
        extra: the extra of this project that installs that package, if it is not always installed.
    """

    name: str
    task: str
    kind: str
    licence: str
    source: str
    url: str | None = None
    package: str | None = None
    extra: str | None = None

    @property
    def forms(self) -> tuple[Weights, ...]:
        """The files that hold this model, each enough by itself, the preferred one first."""
        return (Weights(file=self.file, sha256=self.sha256),)


class DetectorCard(ModelCard):
    """A model that finds faces, or text.

    Attributes:
        task: what it finds.
        part_of: the model that uses this one; None for a model that can be chosen by itself.
        outputs: names of the graph's outputs, in the order that the adapter reads them.
        input_wh: width and height that the graph is fixed to; None where both are free.
        strides: pixels of input per cell, for each level.
        priors_px: sides of the square priors at each cell, one tuple per level.
        variances: what the box regression was divided by in training, centre and size.
        mean_bgr: subtracted from blue, green and red in [0, 255].
        threshold: least score: of a face, as `detect.support` ranks candidates; where it was measured, no
            face fewer was found in any band of sizes than with the network's own scores and its publisher's
            threshold. Of text, the mean probability inside it.
        nms_iou: overlap above which the weaker of two boxes is dropped.
    """

    task: Literal["face", "text"] = "face"
    kind: Literal["retinaface", "yunet", "centerface", "haar", "yolo", "dbnet"]
    part_of: str | None = None
    outputs: tuple[str, ...] = ()
    input_wh: tuple[int, int] | None = None
    strides: tuple[int, ...] = ()
    priors_px: tuple[tuple[float, ...], ...] = ()
    variances: tuple[float, float] = (0.1, 0.2)
    mean_bgr: tuple[float, float, float] = (0.0, 0.0, 0.0)
    threshold: float
    nms_iou: float = 0.4


_Point = tuple[float, float]


class EmbedderCard(ModelCard):
    """A model that turns an aligned face into a vector; vectors of one person point the same way.

    Attributes:
        rebuilt: the graph that the adapter makes of the published file, where it was kept.
        output: name of the graph's output, `(N, dimensions)`; None for the first one.
        dimensions: length of a vector.
        size_px: side of the square crop that the network reads.
        template: where the landmarks lie in that crop, x and y in pixels, in the order of `Landmark`.
        channels: order of the channels that the network reads.
        mean: subtracted from each channel, in the network's order, in [0, 255].
        scale: factor after the subtraction.
        least_face_px: shorter side of a box below which a face is too small to judge.
        keep_cosine: similarity from which a face counts as a known person's who is not covered; None where
            it was not measured.
        only_cosine: the same for a person who is covered while others are not.
    """

    task: Literal["embedding"]
    kind: Literal["sface", "dlib", "onnx"]
    rebuilt: Weights | None = None
    output: str | None = None
    dimensions: int = Field(gt=0)
    size_px: int = Field(gt=0, le=1024)
    template: tuple[_Point, _Point, _Point, _Point, _Point]
    channels: Literal["rgb", "bgr"]
    mean: tuple[float, float, float]
    scale: float
    least_face_px: float = Field(ge=0)
    keep_cosine: float | None = Field(None, ge=-1, le=1)
    only_cosine: float | None = Field(None, ge=-1, le=1)

    @property
    def forms(self) -> tuple[Weights, ...]:
        """As `ModelCard.forms`."""
        return (self.rebuilt, *super().forms) if self.rebuilt else super().forms


class _Trained(BaseModel):
    """The card that training writes; it says more than the program needs."""

    class _Input(BaseModel):
        mean: tuple[float, float, float]

    name: str
    file: str
    sha256: str
    licence: str
    source: str
    input: _Input
    outputs: dict[str, str]
    strides: tuple[int, ...]
    priors_px: tuple[tuple[float, ...], ...]
    variances: tuple[float, float]
    threshold: float
    nms_iou: float

    def card(self) -> DetectorCard:
        return DetectorCard(
            kind="retinaface",
            outputs=tuple(self.outputs[key] for key in ("loc", "conf", "landms")),
            mean_bgr=self.input.mean,
            **self.model_dump(exclude={"input", "outputs"}),
        )


_PUBLISHED: TypeAdapter[DetectorCard | EmbedderCard] = TypeAdapter(
    Annotated[DetectorCard | EmbedderCard, Field(discriminator="task")]
)


def _read_cards() -> Iterable[DetectorCard | EmbedderCard]:
    yield _Trained.model_validate_json((WEIGHTS / "retinaface.json").read_bytes()).card()
    for path in sorted((Path(__file__).parent / "published").glob("*.json")):
        yield _published(path)


def _published(path: Path) -> DetectorCard | EmbedderCard:
    try:
        return _PUBLISHED.validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelError(f"the model card {path} is not valid: {error}") from error


_ALL = tuple(_read_cards())

CARDS: dict[str, DetectorCard] = {card.name: card for card in _ALL if isinstance(card, DetectorCard)}
"""Every detector that is known by name, of faces and of text, the project's own first."""

EMBEDDERS: dict[str, EmbedderCard] = {card.name: card for card in _ALL if isinstance(card, EmbedderCard)}
"""Every embedder that is known by name."""

DETECTORS = (
    *(card.name for card in CARDS.values() if card.task == "face" and card.part_of is None),
    "yolo",
)
"""Names of the detectors of faces; `yolo` is followed by a colon and the path of the ONNX file."""

TEXT_DETECTOR = "ppocr-text"
"""Name of the detector of text."""


_YOLO_THRESHOLD = 0.11
"""What `detect.support` makes of a lone candidate of .3, the usual least score of these networks. Files that
users bring cannot be measured beforehand; with this score no box of theirs is lost in a single look."""


def card_of(name: str) -> ModelCard:
    """The card of a published or bundled model.

    Raises:
        ConfigError: no such model.
    """
    known: dict[str, ModelCard] = {**CARDS, **EMBEDDERS}
    if name not in known:
        raise ConfigError(f"there is no model {name!r}; known: {', '.join(known)}")
    return known[name]


def embedder_card(name: str) -> EmbedderCard:
    """The card of an embedder of the configuration.

    Args:
        name: one of `EMBEDDERS`, or `onnx:FILE.onnx` with the card in `FILE.json` beside it. That card has
            the fields of `EmbedderCard`; `name`, `kind`, `task`, `file` and `sha256` may be left out.

    Raises:
        ConfigError: no such embedder, or its card is missing or wrong.
        ModelError: the file of an `onnx:FILE.onnx` is not there.
    """
    kind, _, path = name.partition(":")
    if kind == "onnx" and path:
        return _user_embedder(Path(path))
    if name not in EMBEDDERS:
        raise ConfigError(f"there is no embedder {name!r}; known: {', '.join(EMBEDDERS)}, onnx:FILE.onnx")
    return EMBEDDERS[name]


def _user_embedder(path: Path) -> EmbedderCard:
    """The card beside an ONNX file that the user brings, completed by what the file says itself."""
    if not path.is_file():
        raise ModelError(f"{path} is not there: embedder onnx needs the path of an ONNX file, onnx:FILE.onnx")
    card = path.with_suffix(".json")
    try:
        given = from_json(card.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} needs a card in JSON beside it, {card.name}: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{card} must be a JSON object with the fields of an embedder's card")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if given.get("sha256", digest) != digest:
        raise ConfigError(f"{card} is the card of another file: SHA-256 of {path.name} begins {digest[:12]}")
    fixed = {"name": "onnx", "task": "embedding", "kind": "onnx", "file": str(path), "sha256": digest}
    try:
        return EmbedderCard.model_validate(
            {"licence": "as its publisher states", "source": "a file given by the user", **given, **fixed}
        )
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"{card} is not an embedder's card: {what}") from error


def cards_of(name: str) -> tuple[DetectorCard, ...]:
    """The cards of all weights that a detector of the configuration uses, its own first.

    Raises:
        ConfigError: no such detector.
        ModelError: the file of a `yolo:FILE.onnx` is not there.
    """
    kind, _, path = name.partition(":")
    if kind == "yolo":
        return (_user_card(Path(path)),)
    if name not in CARDS:
        raise ConfigError(f"there is no detector {name!r}; known: {', '.join(CARDS)}")
    return (CARDS[name], *(card for card in CARDS.values() if card.part_of == name))


def _user_card(path: Path) -> DetectorCard:
    """The card of an ONNX file that the user brings; the graph names its outputs itself."""
    if not path.is_file():
        raise ModelError(f"{path} is not there: detector yolo needs the path of an ONNX file, yolo:FILE.onnx")
    return DetectorCard(
        name="yolo",
        kind="yolo",
        file=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        licence="as its publisher states",
        source="a file given by the user",
        threshold=_YOLO_THRESHOLD,
        nms_iou=0.5,
    )
