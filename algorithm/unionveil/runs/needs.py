"""Memory that a picture will need, reckoned before it is decoded."""

from __future__ import annotations

from contextlib import suppress

from ..content import Content
from ..errors import ImageError
from ..formats import HEAD_BYTES, ImageFormat, sniff
from ..outcomes import Rejected
from .headers import Header, read_header

__all__ = ["look_at", "needed_bytes"]

COPIES = {
    ImageFormat.JPEG: 2.2,
    ImageFormat.PNG: 4.0,
    ImageFormat.WEBP: 10.0,
    ImageFormat.TIFF: 4.0,
    ImageFormat.BMP: 4.0,
    ImageFormat.GIF: 6.0,
    ImageFormat.HEIC: 5.0,
    ImageFormat.AVIF: 5.0,
}
"""How many times its decoded pixels a picture takes at the highest point: decoded, as it is shown to the
detector, redacted, encoded and checked. Measured at 12 megapixels with 127 faces (tests/benchmarks) and
rounded up."""

_WITH_ALPHA = (2, 4)
"""Channels of grey and colour with alpha, and of CMYK."""

_FILE_COPIES = 3
"""The input's bytes, the output's, and one more while it is written."""

_DEEP_BYTES = 3
"""More for every pixel where samples of 16 bits are shown to the detector as 8."""

_ALPHA_BYTES = 24
"""More for every pixel where a fourth channel gives a picture several looks, each of which is detected on."""


def needed_bytes(image_format: ImageFormat, header: Header, file_bytes: int) -> int:
    """Memory that a worker needs for a picture beside its models, rather too much than too little.

    Args:
        image_format: of the file.
        header: of the file.
        file_bytes: length of the file.
    """
    sample_bytes = 2 if header.is_deep else 1
    # Grey is seen as colour; palettes and one bit per sample become a byte each.
    pixel_bytes = max(3, header.channels) * sample_bytes
    extra = _DEEP_BYTES * header.is_deep + _ALPHA_BYTES * (header.channels in _WITH_ALPHA)
    per_pixel = COPIES[image_format] * pixel_bytes + extra
    return int(header.pixels * per_pixel) + _FILE_COPIES * file_bytes


def look_at(content: Content | Rejected) -> tuple[ImageFormat | None, int]:
    """The format of an input and the memory that it will need.

    No format where it is not a picture, which the work then finds out and explains.
    """
    if not isinstance(content, Rejected):
        with suppress(OSError, ImageError), content.open() as file:
            image_format = sniff(file.read(HEAD_BYTES))
            header = read_header(image_format, file)
            return image_format, needed_bytes(image_format, header, content.size_bytes) if header else 0
    return None, 0
