"""Bytes to pixels, for every format: which reader takes a file, and what becomes of its errors."""

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
    """Decodes a picture: upright, in its own depth and colours, all frames or pages.

    Args:
        data: a whole file; its content decides the format.
        max_pixels: most pixels of all frames together.
        reduction: by how much pictures may be reduced before they are looked at; None decodes all whole.
            JPEGs alone are decoded so.

    Returns:
        The picture, which knows how to write itself. Metadata is not in it.

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
        # Decoders meet hostile bytes: whatever they raise, the picture is refused and the run goes on.
        raise UnreadableImage("the picture is damaged: it cannot be decoded") from error
