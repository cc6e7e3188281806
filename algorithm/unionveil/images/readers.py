"""Bytes to pixels for every format: selects the reader and translates its errors.

A reader is loaded with the first picture of its format: all of them together take longer than a small photo.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..errors import ImageError, UnreadableImage
from ..formats import ImageFormat, sniff
from .picture import Picture
from .scaled import Reduction

__all__ = ["decode", "reader_of"]


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
    read = reader_of(sniff(data), reduction)
    try:
        return read(data, max_pixels)
    except ImageError:
        raise
    except MemoryError as error:
        raise UnreadableImage("the picture does not fit into memory") from error
    except Exception as error:
        # Decoders meet hostile bytes: whatever they raise, the picture is refused and the run continues.
        raise UnreadableImage("the picture is damaged: it cannot be decoded") from error


def reader_of(kind: ImageFormat, reduction: Reduction | None = None) -> Callable[[bytes, float], Picture]:
    """The reader of a format, which takes a file and the largest number of pixels.

    Args:
        kind: the format; its reader is loaded.
        reduction: as for `decode`.
    """
    match kind:
        case ImageFormat.JPEG:
            from .jpeg import read as read_jpeg

            return partial(read_jpeg, reduction=reduction)
        case ImageFormat.PNG:
            from .png import read
        case ImageFormat.WEBP:
            from .webp import read
        case ImageFormat.TIFF:
            from .tiff import read
        case ImageFormat.BMP:
            from .bmp import read
        case ImageFormat.GIF:
            from .gif import read
        case ImageFormat.HEIC:
            from .heif import read
        case ImageFormat.AVIF:
            from .avif import read
    return read
