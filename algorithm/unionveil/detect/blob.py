"""Turns pixels into the tensor that a network reads."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import FloatArray, RgbImage

__all__ = ["to_blob"]


def to_blob(
    image: RgbImage,
    *,
    channels: str,
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
    border: tuple[int, int, int] | None = None,
    multiple_px: int = 32,
    fixed_wh: tuple[int, int] | None = None,
) -> FloatArray:
    """Pads on the right and below, so that coordinates stay the same, and normalises.

    Args:
        image: `(H, W, 3)` uint8, RGB; not larger than `fixed_wh`.
        channels: "rgb" or "bgr", the order in which the network reads them.
        mean: subtracted from each channel, in the network's order, in [0, 255].
        scale: factor applied after the subtraction.
        border: colour of the padding, in the network's order; by default the mean.
        multiple_px: sides are padded to a multiple of this.
        fixed_wh: sides are padded to exactly this instead.

    Returns:
        `(1, 3, H', W')` float32.
    """
    height, width = image.shape[:2]
    to_w, to_h = fixed_wh or (-(-width // multiple_px) * multiple_px, -(-height // multiple_px) * multiple_px)
    if width > to_w or height > to_h:
        raise ValueError(f"a picture of {width}x{height} does not fit a network of {to_w}x{to_h}")
    swap = channels == "bgr"
    padded: npt.NDArray[Any] = image
    if (to_w, to_h) != (width, height):
        colour = [round(value) for value in border or mean]
        padded = cv2.copyMakeBorder(
            image,
            0,
            to_h - height,
            0,
            to_w - width,
            cv2.BORDER_CONSTANT,
            value=colour[::-1] if swap else colour,
        )
    return _planes(padded, mean, scale, swap=swap)


def _planes(image: RgbImage, mean: tuple[float, float, float], scale: float, *, swap: bool) -> FloatArray:
    """`(H, W, 3)` to `(1, 3, H, W)`: `(value - mean) * scale`, with red and blue swapped on request.

    Working plane by plane takes a tenth of the time of `cv2.dnn.blobFromImage`, with the same result.
    """
    height, width = image.shape[:2]
    blob = np.empty((1, 3, height, width), np.float32)
    planes = cv2.split(image)
    for plane, least, target in zip(planes[::-1] if swap else planes, mean, blob[0], strict=True):
        np.subtract(plane, np.float32(least), out=target)
    if scale != 1:
        blob *= np.float32(scale)
    return blob
