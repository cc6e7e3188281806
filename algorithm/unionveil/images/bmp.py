"""BMP: always written anew, since it is not compressed."""

from __future__ import annotations

import cv2
import numpy as np

from ..errors import UnreadableImage
from .picture import Colour, ImageFormat, Picture
from .pillow import check_size, opened, to_frame

__all__ = ["read", "write"]


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a BMP; see `images.decode`."""
    with opened(data, "BMP") as image:
        check_size(image.size, 1, max_pixels)
        image.load()
        return Picture(ImageFormat.BMP, (to_frame(image),))


def write(picture: Picture) -> bytes:
    """Encodes a BMP: grey as 8 bits, colour as 24, with alpha as 32."""
    (frame,) = picture.frames
    pixels = frame.pixels
    if frame.colour in (Colour.RGB, Colour.RGBA):
        pixels = np.concatenate([pixels[..., 2::-1], pixels[..., 3:]], axis=2)
    done, encoded = cv2.imencode(".bmp", pixels)
    if not done:
        raise UnreadableImage("the BMP cannot be encoded")
    return encoded.tobytes()
