"""Estimates the memory that a picture will need, before it is decoded."""

from __future__ import annotations

from contextlib import suppress

from ..config import AnonymizeConfig
from ..content import Content
from ..errors import ImageError
from ..formats import HEAD_BYTES, ImageFormat, sniff
from ..outcomes import Rejected
from ..outputs import OutputOptions
from .headers import Header, read_header

__all__ = ["finding_bytes", "look_at", "needed_bytes"]

_VIEW_BYTES = 4.5
"""Bytes per pixel: 8-bit RGB for the detector, and its first two halved sizes."""

_SPARE_BYTES = 1.0
"""Bytes per pixel: masks, tables, and memory that the allocator does not return."""

_CONSTANT_BYTES = 24 << 20
"""Sizes and tiles for the detector, bands of rows that are processed together, buffers of codecs."""

_HEIC = {(False, False): 28, (False, True): 48, (True, False): 44, (True, True): 72}
_AVIF = {(False, False): 34, (False, True): 38, (True, False): 46, (True, True): 60}
"""Bytes per pixel of encoders (x265, libaom), by whether samples are deep and whether there is opacity."""


_CONVERTED = {ImageFormat.JPEG: 4, ImageFormat.PNG: 4, ImageFormat.WEBP: 12}
"""Additional bytes per pixel, for each 8 bits of a sample, if an output gets another format or quality: the
converted samples, the encoder's, and the output with its decoded copy."""


def needed_bytes(image_format: ImageFormat, header: Header, file_bytes: int) -> int:
    """Memory that a worker needs for a picture in addition to its models; too much rather than too little.

    The largest of what decoding, detecting, writing and checking need; tests/benchmarks/test_needs.py
    measures all of them.

    Args:
        image_format: of the file.
        header: of the file.
        file_bytes: length of the file.
    """
    stored = header.channels * (2 if header.is_deep else 1)
    file = file_bytes / max(1, header.pixels)
    decoding = (2 + header.decoder_copies) * stored + (1 + header.decoder_copies) * file
    finding = stored + _VIEW_BYTES
    per_pixel = max(decoding, finding, _coding(image_format, header, stored, file)) + _SPARE_BYTES
    return int(header.pixels * per_pixel) + _CONSTANT_BYTES


def _coding(image_format: ImageFormat, header: Header, stored: int, file: float) -> float:
    """Bytes per pixel while a picture is written or checked.

    Args:
        image_format: of the file.
        header: of the file.
        stored: bytes per pixel, decoded.
        file: bytes per pixel, encoded.
    """
    alpha = header.channels in (2, 4)
    match image_format:
        case ImageFormat.JPEG:
            # Two-byte coefficients and what the library stores beside them; all scans at once.
            return stored + 1.45 * 2 * header.coded_samples + 2 * header.is_progressive
        case ImageFormat.PNG:
            return _png(header, stored, file)
        case ImageFormat.WEBP:
            # libwebp's canvases; its lossless encoder searches the whole picture for repetitions.
            return 2 * stored + (33 if header.is_lossless else 17) / header.frames
        case ImageFormat.TIFF:
            # Strips, and the file into which they are joined; Pillow's four bytes for a pixel of a page.
            pages = stored if header.frames > 1 else 0
            written = 2 * max(file, stored / 2)
            return stored + max(written, pages + file + 4 / header.frames)
        case ImageFormat.BMP:
            return stored + file + max(file, 4)
        case ImageFormat.GIF:
            # Colours as numbers, compared with those of the previous frame.
            return 16 + 12 / header.frames
        case ImageFormat.HEIC:
            return _HEIC[header.is_deep, alpha]
        case ImageFormat.AVIF:
            return _AVIF[header.is_deep, alpha]


def _png(header: Header, stored: int, file: float) -> float:
    """Pillow uses four bytes for a pixel of two or three samples; OpenCV decodes all but plain ones whole."""
    filled = 4 if header.channels in (2, 3) else 0
    if header.is_deep:
        # Swapped bytes, for two samples; the encoder's buffer, which doubles as it grows.
        written = stored + (2 * filled if header.channels == 2 else 0) + 2.5 * file
    else:
        written = stored + filled + 2.2 * file
    shown = 4.0 if header.channels in (2, 4) else 3.0
    shown *= (2 if header.is_deep else 1) * (2.4 if header.frames == 1 else 1)
    return max(written, stored + file + (0 if header.is_plain else shown))


_TEXT_BYTES = 176 << 20
"""Memory of the text detector: its weights, and its network's tensors for the largest tile."""

_PLATE_BYTES = 128 << 20
"""Memory of the plate detector."""


def finding_bytes(config: AnonymizeConfig) -> int:
    """Memory that every worker needs for detecting other things than faces."""
    return _TEXT_BYTES * config.covers_text + _PLATE_BYTES * config.covers_plates


def look_at(
    content: Content | Rejected, options: OutputOptions | None = None, *, reckon: bool = True
) -> tuple[ImageFormat | None, int]:
    """The format of an input's output and the memory that it will need.

    The format is None if the input is not a picture; the work then rejects it with an explanation.

    Args:
        content: the input.
        options: options of the outputs; None keeps each input's format and quality.
        reckon: whether to estimate the memory, which reads more of the input; otherwise it is 0.
    """
    options = options or OutputOptions()
    if not isinstance(content, Rejected):
        with suppress(OSError, ImageError), content.open() as file:
            image_format = sniff(file.read(HEAD_BYTES))
            header = read_header(image_format, file) if reckon else None
            needed = needed_bytes(image_format, header, content.size_bytes) if header else 0
            target = options.format_of(image_format)
            if header and options.converts(image_format):
                needed += _CONVERTED.get(target, 0) * header.pixels * (2 if header.is_deep else 1)
            return target, needed
    return None, 0
