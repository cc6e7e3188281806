"""Bytes to pixels for every format: selects the reader and translates its errors."""

from __future__ import annotations

from ..errors import ImageError, UnreadableImage
from ..formats import ImageFormat, sniff
from . import avif, bmp, gif, heif, jpeg, png, tiff, webp
from .picture import Picture
from .scaled import Reduction

__all__ = ["decode"]

READERS = {
    ImageFormat.JPEG: jpeg.read,
    ImageFormat.PNG: png.read,
    ImageFormat.WEBP: webp.read,
    ImageFormat.TIFF: tiff.read,
    ImageFormat.BMP: bmp.read,
    ImageFormat.GIF: gif.read,
    ImageFormat.HEIC: heif.read,
    ImageFormat.AVIF: avif.read,
}


def decode(data: bytes, max_pixels: float, reduction: Reduction | None = None) -> Picture:
    """Decodes a picture: upright, at its own depth and in its own colours, all frames or pages.

    Args:
        data: a whole file; its content decides the format.
        max_pixels: largest number of pixels in all frames together.
        reduction: returns the factor by which an image may be reduced for detection; None decodes
            everything at full size. Only JPEGs are reduced.

    Returns:
        The picture, which can write itself. It holds no metadata.

    Raises:
        UnreadableImage: not a picture, damaged or cut off.
        UnsupportedImage: a format or variant that is not handled.
        ImageTooLarge: more pixels than the limit; nothing was decoded.
    """
    read = READERS[kind := sniff(data)]
    try:
        if kind is ImageFormat.JPEG:
            return jpeg.read(data, max_pixels, reduction=reduction)
        return read(data, max_pixels)
    except ImageError:
        raise
    except MemoryError as error:
        raise UnreadableImage("the picture does not fit into memory") from error
    except Exception as error:
        # Decoders meet hostile bytes: whatever they raise, the picture is refused and the run continues.
        raise UnreadableImage("the picture is damaged: it cannot be decoded") from error
