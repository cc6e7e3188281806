"""What EXIF says about stored pixels: their orientation and their density."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .picture import Pixels

__all__ = ["read_density", "read_orientation", "swaps_axes", "upright"]


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turns stored pixels so that the top of the scene is row 0.

    Args:
        pixels: `(H, W, C)` as stored.
        orientation: TIFF tag 274, 1 to 8 (TIFF 6.0, page 36): the sides of the scene at which row 0 and
            column 0 of the stored pixels are.

    Returns:
        `(H, W, C)`, or `(W, H, C)` for 5 to 8; contiguous.
    """
    turned: npt.NDArray[Any] = pixels
    match orientation:
        case 2:
            turned = cv2.flip(pixels, 1)
        case 3:
            turned = cv2.rotate(pixels, cv2.ROTATE_180)
        case 4:
            turned = cv2.flip(pixels, 0)
        case 5:
            turned = cv2.transpose(pixels)
        case 6:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            turned = cv2.flip(cv2.transpose(pixels), -1)
        case 8:
            turned = cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
        case _:
            pass  # 1: unchanged
            # OpenCV drops the axis of a single channel.
    return np.ascontiguousarray(turned).reshape(*turned.shape[:2], pixels.shape[2])


def swaps_axes(orientation: int) -> bool:
    """Whether width and height are exchanged."""
    return orientation in (5, 6, 7, 8)


def read_orientation(exif: bytes) -> int:
    """Orientation from an EXIF block (with or without its `Exif` prefix); 1 if it is missing or broken."""
    value = _tags(exif, {_ORIENTATION}).get(_ORIENTATION, 1)
    return int(value) if 1 <= value <= 8 else 1


def read_density(exif: bytes) -> tuple[float, float] | None:
    """Horizontal and vertical pixels per metre, as stored, from an EXIF block.

    Returns:
        None if they are missing or broken, or have no unit of length.
    """
    tags = _tags(exif, {_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT})
    # TIFF 6.0, page 38: 2 means inches, which is also the default, and 3 means centimetres.
    per_metre = {2: 1 / 0.0254, 3: 100.0}.get(int(tags.get(_RESOLUTION_UNIT, 2)))
    x, y = tags.get(_X_RESOLUTION, 0), tags.get(_Y_RESOLUTION, 0)
    return (x * per_metre, y * per_metre) if per_metre and x > 0 and y > 0 else None


_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128


def _tags(exif: bytes, wanted: set[int]) -> dict[int, float]:
    """Single numbers of the first directory, skipping broken ones; the first of a repeated tag counts."""
    tiff = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    found: dict[int, float] = {}
    if order is None:
        return found
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(order + "HHI", tiff, entry)
            if tag in wanted and values == 1 and tag not in found:
                value = _number(tiff, order, kind, entry + 8)
                found |= {} if value is None else {tag: value}
    except struct.error:
        pass
    return found


def _number(tiff: bytes, order: str, kind: int, place: int) -> float | None:
    """A value by its type (TIFF 6.0, page 15)."""
    match kind:
        case 1 | 3 | 4:  # byte, short, long
            return float(struct.unpack_from(order + {1: "B", 3: "H", 4: "I"}[kind], tiff, place)[0])
        case 5:  # rational, stored at an offset
            (place,) = struct.unpack_from(order + "I", tiff, place)
            if place + 8 > len(tiff):
                return None
            over, under = struct.unpack_from(order + "II", tiff, place)
            return over / under if under else None
        case _:
            return None
