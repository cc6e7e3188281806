"""Generated faces in place of people's, for k-same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..config import AnonymizeConfig, Fill, KSame
from ..detections import Detections, FloatArray
from ..images import Frame, Patch, Pixels
from ..surrogate.generators import Generator
from ..surrogate.template import HEAD, Laid, lay, oval_region, to_frame, yaw_of
from . import Redactor, load_redactor
from .fill import fill, in_model
from .patches import below

__all__ = ["surrogate_redactor"]

_BLACK = (0, 0, 0)


def surrogate_redactor(
    config: AnonymizeConfig, generator: Generator, codes: Mapping[int, FloatArray]
) -> Redactor:
    """A redactor that draws a group's face over each of its members.

    Faces without a group are filled with one colour, in the configured shape and margin. Fills are drawn
    below the surrogates.

    Args:
        config: settings with method ksame.
        generator: draws the faces.
        codes: `(C,)` code of each group's face, by `Detections.identity`.
    """
    fill_faces = load_redactor(config.model_copy(update={"redaction": Fill()}))
    with_head = isinstance(config.redaction, KSame) and config.redaction.surround == "fill"

    def redact(frame: Frame, faces: Detections) -> Sequence[Patch]:
        in_group = faces.identity >= 0
        patches = list(fill_faces(frame, faces[~in_group]))
        members = faces[in_group][::-1]  # the best face last, so that it is on top where two overlap
        matrices = to_frame(members.landmarks)
        if with_head:
            patches += _heads(frame, matrices)
        for face in _laid(frame, members, matrices, generator, codes):
            patches.append(_patch(frame, face, patches))
        return patches

    return redact


def _laid(
    frame: Frame,
    members: Detections,
    matrices: npt.NDArray[np.float64],
    generator: Generator,
    codes: Mapping[int, FloatArray],
) -> Iterator[Laid]:
    yaw = yaw_of(members.landmarks)
    for matrix, turn, group in zip(matrices, yaw, members.identity.tolist(), strict=True):
        face = generator.faces(codes[group][None], turn[None])[0]
        laid = lay(face, generator.to_face, matrix, frame.size_wh)
        if laid:
            yield laid


def _heads(frame: Frame, matrices: npt.NDArray[np.float64]) -> Iterator[Patch]:
    for matrix in matrices:
        region = oval_region(matrix, HEAD, frame.size_wh)
        if region:
            yield Patch(*region[:2], fill(_BLACK, frame.colour, frame.pixels.dtype), region[2])


def _patch(frame: Frame, laid: Laid, patches: Sequence[Patch]) -> Patch:
    """The surrogate blended into what is below it, in the frame's colours and depth."""
    under = below(frame, (laid.rows, laid.columns, laid.mask), patches)
    face = in_model(laid.rgb, frame.colour, frame.white)
    blend = np.rint(under + (face - under) * laid.alpha)
    pixels: Pixels = blend.astype(np.uint8) if frame.white == 255 else blend.astype(np.uint16)
    return Patch(laid.rows, laid.columns, pixels, laid.mask)
