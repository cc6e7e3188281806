"""Drawing primitives shared by everything that is composited into training images.

Images are `(H, W, 3)` uint8, blue first, and are drawn into in place.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from .photos import Image
from .views import Rng

__all__ = ["SKIN_BGR", "blend_ellipse", "free_place", "ints", "random_colour", "random_side", "whole_size"]

Box: TypeAlias = npt.NDArray[np.float32]
"""`(4,)` xyxy."""

Place: TypeAlias = npt.NDArray[np.int64]
"""`(2,)` x and y, or width and height, in whole pixels."""

SKIN_BGR = ((120, 150, 200), (70, 95, 140), (40, 55, 90))


def whole_size(size_wh: npt.NDArray[np.floating[Any]]) -> Place:
    """Rounds a size to whole pixels, at least 2 by 2."""
    return np.maximum(np.round(size_wh), 2).astype(np.int64)


def random_side(low: float, high: float, rng: Rng) -> float:
    """Draws a side, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def free_place(
    boxes: npt.NDArray[np.float32], canvas_wh: tuple[int, int], size_wh: Place, rng: Rng
) -> Place | None:
    """Draws the upper left corner of a place in the canvas; None if it does not fit or a box touches it."""
    room = np.array(canvas_wh) - size_wh
    if (room <= 0).any():
        return None
    corner = rng.integers(room)
    taken = (boxes[:, :2] < corner + size_wh).all(axis=1) & (boxes[:, 2:] > corner).all(axis=1)
    return None if taken.any() else corner


def blend_ellipse(image: Image, patch: Image, corner: Place, size_wh: Place) -> None:
    """Resizes a patch and blends it into an image as an ellipse with soft edges."""
    width, height = int(size_wh[0]), int(size_wh[1])
    patch = np.asarray(cv2.resize(patch, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    ellipse = np.zeros((height, width), np.float32)
    axes = (int(width * 0.46), int(height * 0.46))
    cv2.ellipse(ellipse, (width // 2, height // 2), axes, 0, 0, 360, 1.0, -1)
    alpha = cv2.GaussianBlur(ellipse, (0, 0), max(0.5, min(width, height) * 0.04))[..., None]
    region = image[int(corner[1]) : int(corner[1]) + height, int(corner[0]) : int(corner[0]) + width]
    region[:] = (alpha * patch + (1 - alpha) * region).astype(np.uint8)


def ints(numbers: npt.ArrayLike) -> tuple[int, ...]:
    """A colour, point or size as OpenCV takes it; fractions are cut off."""
    return tuple(int(number) for number in np.asarray(numbers))


def random_colour(rng: Rng) -> tuple[int, ...]:
    """Draws any colour."""
    return ints(rng.integers(0, 256, 3))
