"""The eight ways in which EXIF says that stored pixels are to be turned."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from .picture import Pixels

__all__ = ["read_orientation", "swaps_axes", "upright"]


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turns stored pixels so that the top of the scene is row 0.

    Args:
        pixels: `(H, W, C)` as stored.
        orientation: TIFF tag 274, 1 to 8 (TIFF 6.0, page 36): where row 0 and column 0 of the stored pixels
            lie in the scene.

    Returns:
        `(H, W, C)`, or `(W, H, C)` for 5 to 8; contiguous.
    """
    turned: npt.NDArray[Any] = pixels
    if swaps_axes(orientation):
        turned = turned.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)


def swaps_axes(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation in (5, 6, 7, 8)


def read_orientation(exif: bytes) -> int:
    """Orientation from an EXIF block (with or without its `Exif` prefix); 1 where it is absent or broken."""
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == 0x0112 and kind == 3:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
