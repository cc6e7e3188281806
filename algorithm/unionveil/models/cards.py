"""Model cards: what each model is, who made it and which files it consists of. Nothing is loaded here.

The card of a published model is a JSON file in `published/`; training writes the card of the project's own
weights beside them. Nothing about a model is guessed from its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..errors import ConfigError, ModelError

__all__ = ["CARDS", "DETECTORS", "WEIGHTS", "ModelCard", "card_of", "cards_of"]

WEIGHTS = Path(__file__).parent.parent / "weights"
"""Folder of the weights that travel with the package."""


class ModelCard(BaseModel):
    """One model.

    Attributes:
        name: its name in the configuration.
        task: what it is for.
        kind: the adapter that runs it.
        part_of: the model that uses this one; None for a model that can be chosen by itself.
        file: file name of the weights.
        sha256: hex digest that the file must have.
        licence: SPDX identifier of the weights' licence, as their publisher states it.
        source: who made them, in words.
        url: pinned address to fetch them from; None where the file comes with a package.
        package: Python package that carries the file, if one does.
        extra: the extra of this project that installs that package, if it is not always installed.
        outputs: names of the graph's outputs, in the order that the adapter reads them.
        input_wh: width and height that the graph is fixed to; None where both are free.
        strides: pixels of input per cell, for each level.
        priors_px: sides of the square priors at each cell, one tuple per level.
        variances: what the box regression was divided by in training, centre and size.
        mean_bgr: subtracted from blue, green and red in [0, 255].
        threshold: least score, as `detect.support` ranks candidates; where it was measured, no face fewer was
            found in any band of sizes than with the network's own scores and its publisher's threshold.
        nms_iou: overlap above which the weaker of two boxes is dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: Literal["face"] = "face"
    kind: Literal["retinaface", "yunet", "centerface", "haar", "yolo"]
    part_of: str | None = None
    file: str
    sha256: str
    licence: str
    source: str
    url: str | None = None
    package: str | None = None
    extra: str | None = None
    outputs: tuple[str, ...] = ()
    input_wh: tuple[int, int] | None = None
    strides: tuple[int, ...] = ()
    priors_px: tuple[tuple[float, ...], ...] = ()
    variances: tuple[float, float] = (0.1, 0.2)
    mean_bgr: tuple[float, float, float] = (0.0, 0.0, 0.0)
    threshold: float
    nms_iou: float = 0.4


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

    def card(self) -> ModelCard:
        return ModelCard(
            kind="retinaface",
            outputs=tuple(self.outputs[key] for key in ("loc", "conf", "landms")),
            mean_bgr=self.input.mean,
            **self.model_dump(exclude={"input", "outputs"}),
        )


def _read_cards() -> Iterable[ModelCard]:
    yield _Trained.model_validate_json((WEIGHTS / "retinaface.json").read_bytes()).card()
    for path in sorted((Path(__file__).parent / "published").glob("*.json")):
        yield ModelCard.model_validate_json(path.read_bytes())


CARDS: dict[str, ModelCard] = {card.name: card for card in _read_cards()}
"""Every model that is known by name, the project's own first."""

DETECTORS = (
    *(card.name for card in CARDS.values() if card.task == "face" and card.part_of is None),
    "yolo",
)
"""Names of the detectors; `yolo` is followed by a colon and the path of the ONNX file."""


_YOLO_THRESHOLD = 0.11
"""What `detect.support` makes of a lone candidate of .3, the usual least score of these networks. Files that
users bring cannot be measured beforehand; with this score no box of theirs is lost in a single look."""


def card_of(name: str) -> ModelCard:
    """The card of a published or bundled model.

    Raises:
        ConfigError: no such model.
    """
    if name not in CARDS:
        raise ConfigError(f"there is no model {name!r}; known: {', '.join(CARDS)}")
    return CARDS[name]


def cards_of(name: str) -> tuple[ModelCard, ...]:
    """The cards of all weights that a detector of the configuration uses, its own first.

    Raises:
        ConfigError: no such detector.
        ModelError: the file of a `yolo:FILE.onnx` is not there.
    """
    kind, _, path = name.partition(":")
    if kind == "yolo":
        return (_user_card(Path(path)),)
    return (card_of(name), *(card for card in CARDS.values() if card.part_of == name))


def _user_card(path: Path) -> ModelCard:
    """The card of an ONNX file that the user brings; the graph names its outputs itself."""
    if not path.is_file():
        raise ModelError(f"{path} is not there: detector yolo needs the path of an ONNX file, yolo:FILE.onnx")
    return ModelCard(
        name="yolo",
        kind="yolo",
        file=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        licence="as its publisher states",
        source="a file given by the user",
        threshold=_YOLO_THRESHOLD,
        nms_iou=0.5,
    )
