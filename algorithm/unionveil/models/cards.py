"""Model cards: what each model is, who made it and which files it consists of. Nothing is loaded here.

The card of a published model is a JSON file in `published/`; the training writes the card of the project's
own weights next to them. No property of a model is guessed from its file.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from ..errors import ConfigError, ModelError

__all__ = [
    "CARDS",
    "DETECTORS",
    "EMBEDDERS",
    "PLATE_DETECTOR",
    "TEXT_DETECTOR",
    "WEIGHTS",
    "DetectorCard",
    "EmbedderCard",
    "ModelCard",
    "Weights",
    "card_of",
    "cards_of",
    "embedder_card",
    "user_file",
]

WEIGHTS = Path(__file__).parent.parent / "weights"
"""Folder of the weights that come with the package."""


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
        task: its purpose.
        kind: the adapter that runs it.
        licence: SPDX identifier of the weights' licence, as their publisher states it.
        source: its authors, in words.
        url: pinned address to download from; None if the file comes with a package.
        package: Python package that contains the file, if any.
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
        """The files that hold this model, each sufficient by itself, in order of preference."""
        return (Weights(file=self.file, sha256=self.sha256),)


class DetectorCard(ModelCard):
    """A model that finds faces, text or number plates.

    Attributes:
        task: what it finds.
        part_of: the model that uses this one; None for a model that can be chosen by itself.
        outputs: names of the graph's outputs, in the order in which the adapter reads them.
        input_wh: fixed input width and height of the graph; None if both are free.
        strides: pixels of input per cell, for each level.
        priors_px: sides of the square priors at each cell, one tuple per level.
        variances: divisors of the box regression in training, centre and size.
        mean_bgr: subtracted from blue, green and red in [0, 255].
        threshold: least score. Of faces, on the scale of `detect.support`; where it was measured, it finds at
            least as many faces in every band of sizes as the network's own scores with its publisher's
            threshold. Of text and plates, the mean probability inside the core.
        nms_iou: overlap above which the weaker of two boxes is dropped.
        core: probability from which a pixel belongs to the core of a line of text or a plate.
        least_px: longer side of the smallest core that counts, in pixels of the network's input.
        unclip: by how many times the area / perimeter of a core text and plates reach beyond it.
    """

    task: Literal["face", "text", "plate"] = "face"
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
    core: float = 0.0
    least_px: float = 0.0
    unclip: float = 0.0


_Point = tuple[float, float]


class EmbedderCard(ModelCard):
    """A model that turns an aligned face into a vector; vectors of one person have similar directions.

    Attributes:
        rebuilt: the graph that the adapter makes from the published file, if it was saved.
        output: name of the graph's output, `(N, dimensions)`; None for the first one.
        dimensions: length of a vector.
        size_px: side of the square crop that the network reads.
        template: positions of the landmarks in that crop, x and y in pixels, in the order of `Landmark`.
        channels: order of the channels that the network reads.
        mean: subtracted from each channel, in the network's order, in [0, 255].
        scale: factor after the subtraction.
        least_face_px: shorter side of a box below which a face is too small to judge.
        keep_cosine: similarity from which a face counts as a known person's and is left visible; None if it
            was not measured.
        only_cosine: the same for covering known people only.
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
    """The card that the training writes; it holds more than the program needs."""

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
    yield _published(WEIGHTS / "plates.json")
    for path in sorted((Path(__file__).parent / "published").glob("*.json")):
        yield _published(path)


def _published(path: Path) -> DetectorCard | EmbedderCard:
    try:
        return _PUBLISHED.validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelError(f"the model card {path} is not valid: {error}") from error


_ALL = tuple(_read_cards())

CARDS: dict[str, DetectorCard] = {card.name: card for card in _ALL if isinstance(card, DetectorCard)}
"""Every detector with a name, of faces, of plates and of text, the project's own first."""

EMBEDDERS: dict[str, EmbedderCard] = {card.name: card for card in _ALL if isinstance(card, EmbedderCard)}
"""Every embedder with a name."""

DETECTORS = (
    *(card.name for card in CARDS.values() if card.task == "face" and card.part_of is None),
    "yolo",
)
"""Names of the detectors of faces; `yolo` is followed by a colon and the path of the ONNX file."""

TEXT_DETECTOR = "ppocr-text"
"""Name of the detector of text."""

PLATE_DETECTOR = "plates"
"""Name of the detector of number plates."""


_YOLO_THRESHOLD = 0.11
"""The score that `detect.support` gives a single candidate of .3, the usual lowest score of these networks.
Users' files cannot be measured beforehand; with this threshold no box is lost if there is a single view."""


def card_of(name: str) -> ModelCard:
    """The card of a published or bundled model.

    Raises:
        ConfigError: there is no such model.
    """
    known: dict[str, ModelCard] = {**CARDS, **EMBEDDERS}
    if name not in known:
        raise ConfigError(f"there is no model {name!r}; known: {', '.join(known)}")
    return known[name]


def embedder_card(name: str) -> EmbedderCard:
    """The card of an embedder in the configuration.

    Args:
        name: one of `EMBEDDERS`, or `onnx:FILE.onnx` with the card in `FILE.json` beside it. That card has
            the fields of `EmbedderCard`; `name`, `kind`, `task`, `file` and `sha256` may be left out.

    Raises:
        ConfigError: there is no such embedder, or its card is missing or invalid.
        ModelError: the file of an `onnx:FILE.onnx` does not exist.
    """
    kind, _, path = name.partition(":")
    if kind == "onnx" and path:
        return _user_embedder(Path(path))
    if name not in EMBEDDERS:
        raise ConfigError(f"there is no embedder {name!r}; known: {', '.join(EMBEDDERS)}, onnx:FILE.onnx")
    return EMBEDDERS[name]


def user_file(path: Path, needs: str) -> BinaryIO:
    """A model's file that the user named, opened.

    Args:
        path: of the file.
        needs: what the setting takes, for the message.

    Raises:
        ModelError: there is no such file, or it cannot be read.
    """
    try:
        if stat.S_ISREG(path.stat().st_mode):  # a pipe would block forever
            return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}; {needs}") from error
    raise ModelError(f"{path} does not exist: {needs}")


def _user_embedder(path: Path) -> EmbedderCard:
    """The card beside a user's ONNX file, completed with the values of the file itself."""
    with user_file(path, "embedder onnx needs the path of an ONNX file, onnx:FILE.onnx") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    card = path.with_suffix(".json")
    try:
        given = from_json(card.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} needs a card in JSON beside it, {card.name}: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{card} must be a JSON object with the fields of an embedder's card")
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
    """The cards of all weights that a detector in the configuration uses, its own first.

    Raises:
        ConfigError: there is no such detector.
        ModelError: the file of a `yolo:FILE.onnx` does not exist.
    """
    kind, _, path = name.partition(":")
    if kind == "yolo":
        return (_user_card(Path(path)),)
    if name not in CARDS:
        raise ConfigError(f"there is no detector {name!r}; known: {', '.join(CARDS)}")
    return (CARDS[name], *(card for card in CARDS.values() if card.part_of == name))


def _user_card(path: Path) -> DetectorCard:
    """The card of a user's ONNX file; the outputs are named in the graph."""
    with user_file(path, "detector yolo needs the path of an ONNX file, yolo:FILE.onnx") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return DetectorCard(
        name="yolo",
        kind="yolo",
        file=str(path),
        sha256=digest,
        licence="as its publisher states",
        source="a file given by the user",
        threshold=_YOLO_THRESHOLD,
        nms_iou=0.5,
    )
