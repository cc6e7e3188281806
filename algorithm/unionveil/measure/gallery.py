"""Crops for reports: a box is outlined, and every visible face covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..config import AnonymizeConfig
from ..content import Content
from ..detections import Detections, FloatArray, RgbImage
from .report import Photo

if TYPE_CHECKING:
    from .trial import Seen

__all__ = ["Crop", "crop_photo", "probable_faces"]

_SIDE_PX = 220
_CONTEXT = 4.0
"""A crop is this many times as wide as its box, so that it shows the surroundings."""

_LEAST_PX = 48
_COVER = (96, 96, 92)
_LINES = {"face": (255, 255, 255), "box": (255, 190, 60)}


@dataclass(frozen=True)
class Crop:
    """A box to show.

    Attributes:
        content: the photo.
        frame: number of the frame.
        xyxy: `(4,)` in pixels of the upright photo.
        kind: a labelled face (a white line) or a detector's box (a dashed amber one).
        covers: `(N, 4)` boxes whose faces are covered; empty shows them.
        caption: below the crop.
        description: alternative text.
    """

    content: Content
    frame: int
    xyxy: FloatArray
    kind: Literal["face", "box"]
    covers: FloatArray
    caption: str
    description: str


def probable_faces(seen: Seen) -> FloatArray:
    """Everything in a frame that is probably a face: labelled, ignored, or found by a detector.

    Boxes count from half a detector's default threshold on; below it, fewer than one in a hundred is a face,
    and their covers would hide everything.
    """
    parts = [seen.truth.xyxy.astype(np.float32)]
    for found in seen.found.values():
        xyxy, score = found.curve
        parts += [found.boxes[0], xyxy[score >= found.threshold / 2]]
    return np.concatenate(parts)


def crop_photo(crop: Crop, config: AnonymizeConfig) -> Photo | None:
    """Draws a crop.

    Args:
        crop: what to show.
        config: margin and shape of the covers.

    Returns:
        The picture; None if the photo can no longer be read.
    """
    import cv2

    from ..errors import ImageError
    from ..images import decode, rgb_views

    try:
        picture = decode(crop.content.read(), config.max_megapixels * 1e6)
    except (ImageError, OSError):
        return None
    frame = picture.frames[crop.frame]
    image = next(iter(rgb_views(frame, frame.rendering or picture.rendering))).copy()
    _cover(image, crop.covers, config)
    part, box = _cut(image, crop.xyxy)
    _outline(part, box, crop.kind)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(part, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return Photo(np.asarray(encoded).tobytes(), crop.caption, crop.description)


def _cover(image: RgbImage, boxes: FloatArray, config: AnonymizeConfig) -> None:
    from .trial import cover_mask

    found = Detections.of(boxes, np.ones(len(boxes)))
    image[cover_mask(found, (image.shape[1], image.shape[0]), config)] = _COVER


def _cut(image: RgbImage, xyxy: FloatArray) -> tuple[RgbImage, Sequence[float]]:
    """A square part around a box, in the report's size, and the box within it; black beyond the photo."""
    import cv2

    centre = (xyxy[:2] + xyxy[2:]) / 2
    side = max(_LEAST_PX, _CONTEXT * float((xyxy[2:] - xyxy[:2]).max()))
    scale = _SIDE_PX / side
    shift = _SIDE_PX / 2 - centre * scale
    transform = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float64)
    # An area filter for shrinking: a linear one would skip pixels.
    if scale < 0.5:
        small = cv2.resize(image, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        transform[:, :2] = np.eye(2) * 0.5
        image = np.asarray(small, np.uint8)
    part = cv2.warpAffine(image, transform, (_SIDE_PX, _SIDE_PX), flags=cv2.INTER_LINEAR)
    box = (xyxy.reshape(2, 2) * scale + shift).reshape(4)
    return np.asarray(part, np.uint8), [float(value) for value in box]


def _outline(part: RgbImage, box: Sequence[float], kind: Literal["face", "box"]) -> None:
    """A coloured line over a black one, so that it is visible on any background; dashed for boxes."""
    import cv2

    x0, y0, x1, y1 = (int(value) for value in box)
    cv2.rectangle(part, (x0 - 1, y0 - 1), (x1 + 1, y1 + 1), (0, 0, 0), 4)
    if kind == "face":
        cv2.rectangle(part, (x0 - 1, y0 - 1), (x1 + 1, y1 + 1), _LINES[kind], 2)
        return
    for start in range(0, max(x1 - x0, y1 - y0), 10):
        for y in (y0 - 1, y1 + 1):
            cv2.line(part, (min(x0 + start, x1), y), (min(x0 + start + 5, x1), y), _LINES[kind], 2)
        for x in (x0 - 1, x1 + 1):
            cv2.line(part, (x, min(y0 + start, y1)), (x, min(y0 + start + 5, y1)), _LINES[kind], 2)
