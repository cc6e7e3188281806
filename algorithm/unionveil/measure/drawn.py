"""Locates the faces that k-same drew, from the pixels of an output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..boxes import cover_pixels, iou
from ..detections import BoolArray, Detections, FloatArray
from ..surrogate.template import FEATHER, HEAD, OVAL, oval_region, to_frame

if TYPE_CHECKING:  # only workers load codecs
    from ..redact.mask import Region

__all__ = ["SAME_FACE_IOU", "Drawn", "drawn_over"]

SAME_FACE_IOU = 0.3
"""Boxes of two detectors that overlap by more than this are the same face."""

_SLACK = 1.2
"""Growth of the ovals: landmarks found in an output differ from those used for drawing by a median of 6 % of
the eye distance, and scale and centre are means over five of them."""

_REACH, _REACH_OF_HEAD = (1.1, 0.55), (1.35, 0.75)
"""How far a drawn face extends beyond each side of its box, without and with a filled head, as shares of the
box's width and height: the largest values of 239 faces in portraits and crowds."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pixels on which faces were drawn.

    Attributes:
        mask: `(H, W)`: pixels that may show a drawn face, or the colour that fills the rest of its head.
        hidden: `(N,)` share of each box that may be under the faces of better boxes.
    """

    mask: BoolArray
    hidden: FloatArray


def drawn_over(boxes: FloatArray, found: Detections, size_wh: tuple[int, int], *, with_head: bool) -> Drawn:
    """Where faces were drawn: by landmarks that a detector finds in the boxes, otherwise by the boxes.

    Args:
        boxes: `(N, 4)` boxes of drawn faces in pixels of the frame, best first: each is drawn over those
            after it.
        found: faces found in the frame, with landmarks or NaN.
        size_wh: of the frame.
        with_head: whether the rest of the heads was filled.
    """
    mask = np.zeros(size_wh[::-1], bool)
    hidden = np.zeros(len(boxes), np.float32)
    overlap = iou(boxes, found.xyxy)
    for place, box in enumerate(boxes):
        ((x0, y0, x1, y1),) = cover_pixels(box[None], size_wh)
        if x0 < x1 and y0 < y1:
            hidden[place] = mask[y0:y1, x0:x1].mean()
        here = found[overlap[place] >= SAME_FACE_IOU]
        for rows, columns, inside in _regions(box, here, size_wh, with_head=with_head):
            mask[rows, columns] |= True if inside is None else inside
    return Drawn(mask, hidden)


def _regions(
    box: npt.NDArray[np.float32], found: Detections, size_wh: tuple[int, int], *, with_head: bool
) -> list[Region]:
    matrices = to_frame(found.landmarks)
    known = matrices[np.isfinite(matrices).all(axis=(1, 2))]
    if len(known):
        half = HEAD if with_head else (OVAL[0] * FEATHER, OVAL[1] * FEATHER)
        ovals = [oval_region(one, (half[0] * _SLACK, half[1] * _SLACK), size_wh) for one in known]
        return [oval for oval in ovals if oval]
    width, height = box[2:] - box[:2]
    across, along = _REACH_OF_HEAD if with_head else _REACH
    reach = np.asarray([-across * width, -along * height, across * width, along * height], np.float32)
    ((x0, y0, x1, y1),) = cover_pixels((box + reach)[None], size_wh).tolist()
    return [(slice(y0, y1), slice(x0, x1), None)]
