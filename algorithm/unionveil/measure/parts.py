"""The named parts of a picture's file beside its pixels, to find those that a clean file does not have."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from ..formats import ImageFormat

__all__ = ["extra_parts"]

_END = "bytes behind its end"
_PIXELS = frozenset({"IDAT", "fdAT", "fcTL", "ANMF", "VP8 ", "VP8L", "ALPH"})
"""Parts whose number depends on the encoder."""

_MOST_PARTS = 1_000_000


def extra_parts(data: bytes, clean: bytes, form: ImageFormat) -> list[str]:
    """Names of parts that a file has and its clean copy does not.

    Args:
        data: a whole file.
        clean: the same picture, written again from its pixels or coefficients.
        form: of both.
    """
    more = Counter(_parts(data, form)) - Counter(_parts(clean, form))
    return sorted(name for name in more if name not in _PIXELS)


def _parts(data: bytes, form: ImageFormat) -> Iterator[str]:
    match form:
        case ImageFormat.JPEG:
            yield from _jpeg(data)
        case ImageFormat.PNG:
            yield from _png(data)
        case ImageFormat.WEBP:
            yield from _riff(data)
        case ImageFormat.GIF:
            yield from _gif(data)
        case ImageFormat.TIFF:
            yield from _tiff(data)
        case ImageFormat.HEIC | ImageFormat.AVIF:
            yield from _iso(data)
        case ImageFormat.BMP:
            if len(data) > struct.unpack_from("<I", data, 2)[0]:
                yield _END


def _jpeg(data: bytes) -> Iterator[str]:
    """ITU-T T.81, annex B: segments before the first scan, and what follows the end."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], struct.unpack_from(">H", data, place + 2)[0]
        if 0xE0 <= marker <= 0xEF:
            name = data[place + 4 : place + 4 + min(length - 2, 28)].split(b"\0")[0]
            yield f"APP{marker - 0xE0} {name.decode('ascii', 'replace')}"
        elif marker == 0xFE:
            yield "comment"
        elif marker == 0xDA:
            break
        place += 2 + length
    end = data.rfind(b"\xff\xd9")
    if 0 <= end < len(data) - 2:
        yield _END


def _png(data: bytes) -> Iterator[str]:
    place = 8
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        place += 12 + length
        yield kind.decode("latin-1")
        if kind == b"IEND":
            break
    if place < len(data):
        yield _END


def _riff(data: bytes) -> Iterator[str]:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind.decode("latin-1")
        place += 8 + length + length % 2
    if len(data) > struct.unpack_from("<I", data, 4)[0] + 8:
        yield _END


def _gif(data: bytes) -> Iterator[str]:
    """GIF89a: extensions by their label, and what follows the trailer."""
    place = 13 + (3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    while place < len(data) and data[place] in b",!":
        if data[place] == 0x2C:
            flags = data[place + 9]
            place += 11 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
        else:
            if data[place + 1] != 0xF9:  # graphics control belongs to the frames
                name = data[place + 3 : place + 14].decode("ascii", "replace")
                yield f"extension {data[place + 1]:02x} {name}"
            place += 2
        while place < len(data) and data[place]:
            place += data[place] + 1
        place += 1
    if place + 1 < len(data):
        yield _END


def _tiff(data: bytes) -> Iterator[str]:
    from ..images.pillow import opened

    with opened(data, "TIFF") as image:
        for page in range(getattr(image, "n_frames", 1)):
            image.seek(page)
            yield from (f"tag {tag}" for tag in getattr(image, "tag_v2", {}))


def _iso(data: bytes) -> Iterator[str]:
    """ISO/IEC 14496-12: boxes of the file and of its `meta`, and types of its items."""
    yield from _boxes(data, 0, len(data))
    place = data.find(b"infe")
    while place >= 0:
        # Version, flags, item and protection, then the type (versions 2 and 3).
        start = place + (12 if data[place + 4 : place + 5] == b"\x02" else 14)
        yield f"item {data[start : start + 4].decode('latin-1')}"
        place = data.find(b"infe", place + 4)


def _boxes(data: bytes, place: int, end: int) -> Iterator[str]:
    for _ in range(_MOST_PARTS):
        if place + 8 > end:
            break
        size, kind = struct.unpack_from(">I4s", data, place)
        size = struct.unpack_from(">Q", data, place + 8)[0] if size == 1 else size or end - place
        yield f"box {kind.decode('latin-1')}"
        if kind == b"meta":
            yield from _boxes(data, place + 12, place + size)
        if size < 8:
            break
        place += size
    if place < end:
        yield _END
