"""Bytes to pixels and back, for every format, with nothing in the output but the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..errors import ImageError, UnreadableImage
from . import bmp, gif, heif, jpeg, png, tiff, webp
from .picture import Colour, Frame, ImageFormat, Picture, Pixels
from .sniff import sniff

__all__ = ["Colour", "Frame", "ImageFormat", "Picture", "Pixels", "decode", "encode"]


class _Codec(NamedTuple):
    read: Callable[[bytes, float], Picture]
    write: Callable[[Picture], bytes]


_CODECS = {
    ImageFormat.JPEG: _Codec(jpeg.read, jpeg.write),
    ImageFormat.PNG: _Codec(png.read, png.write),
    ImageFormat.WEBP: _Codec(webp.read, webp.write),
    ImageFormat.TIFF: _Codec(tiff.read, tiff.write),
    ImageFormat.BMP: _Codec(bmp.read, bmp.write),
    ImageFormat.GIF: _Codec(gif.read, gif.write),
    ImageFormat.HEIC: _Codec(heif.read_heic, heif.write_heic),
    ImageFormat.AVIF: _Codec(heif.read_avif, heif.write_avif),
}


def decode(data: bytes, max_pixels: float) -> Picture:
    """Decodes a picture: upright, in its own depth and colours, all frames or pages.

    Args:
        data: a whole file; its content decides the format.
        max_pixels: most pixels of all frames together.

    Returns:
        The picture. Metadata is not in it.

    Raises:
        UnreadableImage: no picture, damaged or cut off.
        UnsupportedImage: a format or variant that is not handled.
        ImageTooLarge: more pixels than the limit; nothing was decoded.
    """
    codec = _CODECS[sniff(data)]
    try:
        return codec.read(data, max_pixels)
    except ImageError:
        raise
    except MemoryError as error:
        raise UnreadableImage("the picture does not fit into memory") from error
    except Exception as error:
        # Decoders meet hostile bytes: whatever they raise, the picture is refused and the run goes on.
        raise UnreadableImage("the picture is damaged: it cannot be decoded") from error


def encode(picture: Picture) -> bytes:
    """Encodes a picture in its own format, with its colour profile and no other metadata."""
    return _CODECS[picture.format].write(picture)
