"""BMP: always written anew, since it is not compressed."""

from __future__ import annotations

import cv2

from ..errors import UnreadableImage
from ..formats import ImageFormat
from .picture import Frame, Picture, swap_red_blue, writer
from .pillow import check_size, opened, to_frame

__all__ = ["read"]


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a BMP; see `images.decode`."""
    with opened(data, "BMP") as image:
        check_size(image.size, 1, max_pixels)
        image.load()
        frames = (to_frame(image),)
    return Picture(ImageFormat.BMP, frames, writer(frames, _encode))


def _encode(frames: tuple[Frame, ...]) -> bytes:
    """Encodes a BMP: grey as 8 bits, colour as 24, with alpha as 32."""
    (frame,) = frames
    done, encoded = cv2.imencode(".bmp", swap_red_blue(frame.pixels))
    if not done:
        raise UnreadableImage("the BMP cannot be encoded")
    return encoded.tobytes()
