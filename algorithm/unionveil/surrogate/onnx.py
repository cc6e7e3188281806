"""A user's own generator: an ONNX graph from codes to faces, with a card beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from ..detections import FloatArray, RgbImage
from ..errors import ConfigError, ModelError
from ..identity.align import similarity
from ..models.cards import user_file
from ..models.inference import PROCESSOR
from ..models.onnx_session import OnnxSession
from ..models.session import Session
from .template import TEMPLATE

__all__ = ["GeneratorCard", "OnnxGenerator", "load_onnx", "read_card"]

_Point = tuple[float, float]


class GeneratorCard(BaseModel):
    """What `FILE.json` beside `FILE.onnx` states about a generator of faces, such as a StyleGAN export.

    Attributes:
        dimensions: length of a code, of independent standard normal numbers.
        output: name of the graph's output, `(N, 3, S, S)`; None for the first one.
        size_px: side S of a face.
        template: where the landmarks are in a face, x and y in pixels, in the order of `Landmark`.
        channels: order of the channels.
        mean: output value of middle grey.
        scale: difference of the output between middle grey and white; the result is clipped.
        truncation: factor of the codes; below 1, faces are more alike and more often well-formed (StyleGAN's
            psi).
        licence: of the weights, as their publisher states it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: int = Field(gt=0, le=65_536)
    output: str | None = None
    size_px: int = Field(ge=32, le=2048)
    template: tuple[_Point, _Point, _Point, _Point, _Point]
    channels: str = Field("rgb", pattern="^(rgb|bgr)$")
    mean: float = 0.0
    scale: float = Field(1.0, gt=0)
    truncation: float = Field(1.0, gt=0, le=1)
    licence: str = "as its publisher states"


@dataclass(frozen=True)
class OnnxGenerator:
    """A loaded generator. Its faces are not turned: few networks support it.

    Attributes:
        card: shape and scale of its faces.
        to_face: `(2, 3)` from the landmark frame to pixels of its faces.
    """

    card: GeneratorCard
    session: Session = field(repr=False)
    to_face: npt.NDArray[np.float64]

    @property
    def dimensions(self) -> int:
        """As `Generator.dimensions`."""
        return self.card.dimensions

    def faces(self, codes: FloatArray, yaw: FloatArray) -> RgbImage:  # noqa: ARG002  the protocol gives it
        """As `Generator.faces`."""
        card = self.card
        output = card.output or self.session.output_names[0]
        drawn = [
            self.session.run((code[None] * card.truncation).astype(np.float32), (output,))[0]
            for code in codes.astype(np.float32)
        ]
        side = card.size_px
        faces = np.concatenate(drawn) if drawn else np.zeros((0, 3, side, side), np.float32)
        if faces.shape != (len(codes), 3, side, side):
            raise ModelError(
                f"the generator returns {faces.shape[1:]} for a code; its card says (3, {side}, {side}): "
                "correct the card"
            )
        grey = 127.5 + (faces.transpose(0, 2, 3, 1) - card.mean) / card.scale * 127.5
        rgb = grey if card.channels == "rgb" else grey[..., ::-1]
        return np.clip(np.rint(np.nan_to_num(rgb)), 0, 255).astype(np.uint8)


def read_card(path: Path) -> GeneratorCard:
    """Reads the card beside a generator, `FILE.json` beside `FILE.onnx`.

    Raises:
        ModelError: the generator does not exist.
        ConfigError: the card is missing or invalid.
    """
    user_file(path, "surrogate takes mean, synthetic or the path of an ONNX file").close()
    card = path.with_suffix(".json")
    try:
        return GeneratorCard.model_validate(from_json(card.read_bytes()))
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"{card} is not a generator's card: {what}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} needs a card in JSON beside it, {card.name}: {error}") from error


def load_onnx(path: Path, threads: int) -> OnnxGenerator:
    """Loads a generator and its card.

    Raises:
        ModelError: the generator does not exist or cannot be run.
        ConfigError: the card is missing or invalid.
    """
    card = read_card(path)
    template = np.asarray(card.template, np.float64)
    return OnnxGenerator(card, OnnxSession(path, threads, PROCESSOR), similarity(TEMPLATE[None], template)[0])
