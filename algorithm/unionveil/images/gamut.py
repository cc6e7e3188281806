"""Where a picture can hide luma: colours beyond RGB are clipped, and viewers in grey show what was clipped.

With Cb and Cr near their ends, luma from 120 to 180 is one bright green (ITU-T T.871, clause 7).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import BoolArray
from .picture import Colour, Frame, Pixels

__all__ = ["can_hide_luma", "clipped", "coloured"]

_COLOURED = 16
"""A colour whose channels span at most this many levels hides at most 13 levels of luma (in four million
random colours); white and black hide none."""

_CELL_PX = 8
"""Side of the smallest face that detectors find."""


def can_hide_luma(frame: Frame) -> bool:
    """Whether some cell of 8 x 8 pixels can hide luma: half of it has a clipped channel, and it is not grey.

    Args:
        frame: decoded from luma and chroma that cannot be compared with it.
    """
    if frame.colour not in (Colour.RGB, Colour.RGBA):
        return False
    colours: Any = np.ascontiguousarray(frame.pixels[..., :3])
    pixels = colours if frame.white == 255 else (colours >> 8).astype(np.uint8)
    cells_wh = tuple(max(1, side // _CELL_PX) for side in frame.size_wh)
    share = cv2.resize(clipped(pixels), cells_wh, interpolation=cv2.INTER_AREA)
    return bool((coloured(cv2.resize(pixels, cells_wh, interpolation=cv2.INTER_AREA)) & (share > 127)).any())


def clipped(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """`(H, W)`: 255 where a channel of `(H, W, 3)` uint8 RGB is 0 or 255."""
    return np.asarray(cv2.bitwise_not(cv2.inRange(pixels, (1, 1, 1), (254, 254, 254))), np.uint8)


def coloured(pixels: Any) -> BoolArray:
    """`(H, W)`: whether the channels of `(H, W, 3)` uint8 RGB differ enough to hide luma."""
    red, green, blue = cv2.split(pixels)
    most, least = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return np.asarray(cv2.subtract(most, least) > _COLOURED)
