"""Sizes, channels and depth of pictures, read from their headers alone.

Used only for an estimate: a false or unreadable header does no harm here; the reader of its format rejects
it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..formats import ImageFormat

__all__ = ["Header", "read_header"]

_MOST_STEPS = 100_000
"""Most parts of a file that are read; each has a few bytes."""

_MOST_BOX_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """The contents of a header.

    Attributes:
        pixels: of all frames or pages together.
        channels: of the frame with the most, including alpha.
        is_deep: whether its samples have more than 8 bits.
        frames: number of frames or pages, at least 1.
        coded_samples: samples per pixel of a JPEG, 1.5 in 4:2:0.
        is_progressive: whether a JPEG is.
        is_lossless: whether a WebP is.
        is_plain: whether the samples of a PNG are its pixels, without palette, colour key or animation.
        decoder_copies: how many additional copies of the pixels are in memory during decoding.
    """

    pixels: int
    channels: int
    is_deep: bool
    frames: int = 1
    coded_samples: float = 3
    is_progressive: bool = False
    is_lossless: bool = False
    is_plain: bool = True
    decoder_copies: int = 0


def read_header(image_format: ImageFormat, file: BinaryIO) -> Header | None:
    """The header of a picture; None if it cannot be read.

    Args:
        image_format: the format, from the file's content.
        file: seekable, at any place.
    """
    file.seek(0)
    try:
        return _reader(image_format)(file)
    except (struct.error, ValueError, IndexError, OverflowError):
        return None


def _reader(image_format: ImageFormat) -> Callable[[BinaryIO], Header | None]:
    match image_format:
        case ImageFormat.JPEG:
            return _jpeg
        case ImageFormat.PNG:
            return _png
        case ImageFormat.WEBP:
            return _webp
        case ImageFormat.TIFF:
            return _tiff
        case ImageFormat.BMP:
            return _bmp
        case ImageFormat.GIF:
            return _gif
        case ImageFormat.HEIC | ImageFormat.AVIF:
            return _iso


def _unpack(form: str, file: BinaryIO) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _jpeg(file: BinaryIO) -> Header | None:
    """ITU-T T.81, B.1 and B.2: segments up to the frame header."""
    file.seek(2)
    for _ in range(_MOST_STEPS):
        byte = file.read(1)
        while byte not in (b"\xff", b""):
            byte = file.read(1)
        while byte == b"\xff":
            byte = file.read(1)
        if not byte:
            return None
        marker = byte[0]
        if marker == 0 or marker == 1 or 0xD0 <= marker <= 0xD8:
            continue
        (length,) = _unpack(">H", file)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            precision, height, width, components = _unpack(">BHHB", file)
            factors = [_unpack(">xBx", file)[0] for _ in range(components)]
            areas = [(factor >> 4) * (factor & 15) for factor in factors]
            return Header(
                width * height,
                components,
                precision > 8,
                coded_samples=sum(areas) / max(1, *areas, 1),
                is_progressive=marker in (0xC2, 0xC6, 0xCA, 0xCE),
            )
        file.seek(length - 2, 1)
    return None


_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


def _png(file: BinaryIO) -> Header | None:
    """PNG 3rd edition, 11.2.1; the animation's chunk precedes the pixels."""
    file.seek(16)
    width, height, depth, colour = _unpack(">IIBB", file)
    file.seek(33)
    channels, frames, plain = _PNG_CHANNELS.get(colour, 4), 1, colour not in (3, 4) and depth >= 8
    for _ in range(_MOST_STEPS):
        length, name = _unpack(">I4s", file)
        after = file.tell() + length + 4
        if name == b"acTL":
            frames = max(1, _unpack(">I", file)[0] + 1)
        if name == b"fcTL":  # the still picture is one of them
            frames = max(1, frames - 1)
        if name in (b"acTL", b"tRNS"):
            channels, plain = 2 if channels < 3 else 4, False
        if name == b"IDAT":
            break
        file.seek(after)
    return Header(width * height * frames, channels, depth > 8, frames, is_plain=plain)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Names and sizes of RIFF chunks; the file is positioned at the chunk's data."""
    for _ in range(_MOST_STEPS):
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        yield name, size
        file.seek(start + size + size % 2)


def _webp(file: BinaryIO) -> Header | None:
    """RFC 9649."""
    file.seek(12)
    width = height = frames = 0
    has_alpha = lossless = False
    for name, _ in _chunks(file):
        lossless |= name == b"VP8L"
        if name == b"VP8X":
            flags = file.read(4)[0]
            has_alpha = bool(flags & 0x10)
            data = file.read(6)
            width = int.from_bytes(data[:3], "little") + 1
            height = int.from_bytes(data[3:], "little") + 1
        elif name == b"VP8 " and not width:
            file.seek(6, 1)
            width, height = (value & 0x3FFF for value in _unpack("<HH", file))
        elif name == b"VP8L" and not width:
            bits = int.from_bytes(file.read(5)[1:], "little")
            width, height, has_alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
        elif name == b"ANMF":
            lossless |= file.read(20)[16:] == b"VP8L"
            frames += 1
    frames, channels = max(1, frames), 4 if has_alpha else 3
    return Header(width * height * frames, channels, is_deep=False, frames=frames, is_lossless=lossless)


_PLAIN_STRIPS = frozenset({1, 7, 8, 32946})
"""Kinds of compression whose strips are not decoded by libtiff."""

_TIFF_SIZES = {1: "B", 3: "H", 4: "I", 16: "Q"}


def _tiff(file: BinaryIO) -> Header | None:
    """TIFF 6.0, section 2, and BigTIFF: all directories."""
    order, version = _unpack("<2sH", file)
    sign = "<" if order == b"II" else ">"
    big = version in (43, 43 << 8)
    file.seek(8 if big else 4)
    place = _unpack(sign + ("Q" if big else "I"), file)[0]
    pixels, channels, deep, copies, seen = 0, 1, False, 0, set[int]()
    while place and place not in seen and len(seen) < _MOST_STEPS:
        seen.add(place)
        file.seek(place)
        tags = _tiff_tags(file, sign, big=big)
        place = _unpack(sign + ("Q" if big else "I"), file)[0]
        pixels += tags.get(256, 0) * tags.get(257, 0)
        channels = max(channels, 3 if tags.get(262) == 3 else tags.get(277, 1))
        deep |= tags.get(258, 1) > 8
        if tags.get(278, tags.get(257, 0)) >= tags.get(257, 0) and tags.get(259, 1) not in _PLAIN_STRIPS:
            copies = 1  # a single strip, decoded as a whole
    return Header(pixels, channels, deep, max(1, len(seen)), decoder_copies=copies)


def _tiff_tags(file: BinaryIO, sign: str, *, big: bool) -> dict[int, int]:
    """Tags of a directory with their first values; the file is then positioned after them."""
    (count,) = _unpack(sign + ("Q" if big else "H"), file)
    tags = {}
    for _ in range(min(count, _MOST_STEPS)):
        tag, kind, number = _unpack(sign + ("HHQ" if big else "HHI"), file)
        room = 8 if big else 4
        value = file.read(room)
        form = _TIFF_SIZES.get(kind)
        if form is None:
            continue
        if number * struct.calcsize(form) > room:
            after = file.tell()
            file.seek(struct.unpack(sign + ("Q" if big else "I"), value)[0])
            value = file.read(room)
            file.seek(after)
        tags[tag] = struct.unpack_from(sign + form, value)[0]
    return tags


def _bmp(file: BinaryIO) -> Header | None:
    """The BITMAPINFOHEADER, or the core header before it."""
    file.seek(14)
    (size,) = _unpack("<I", file)
    width, height = _unpack("<HH" if size == 12 else "<ii", file)
    _, bits = _unpack("<HH", file)
    return Header(abs(width * height), 4 if bits == 32 else 3, is_deep=False)


def _gif(file: BinaryIO) -> Header | None:
    """GIF89a: skips blocks and counts images."""
    file.seek(6)
    width, height, flags = _unpack("<HHBxx", file)
    file.seek(3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0, 1)
    frames = 0
    for _ in range(_MOST_STEPS):
        block = file.read(1)
        if block == b",":
            frames += 1
            flags = file.read(9)[8]
            file.seek((3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0) + 1, 1)
        elif block == b"!":
            file.seek(1, 1)
        else:
            break
        while size := file.read(1)[0]:
            file.seek(size, 1)
    frames = max(1, frames)
    return Header(width * height * frames, 4, is_deep=False, frames=frames)


def _iso(file: BinaryIO) -> Header | None:
    """ISO/IEC 23008-12: extents of images, and a sequence's tracks with their samples."""
    pixels, channels, deep = 0, 3, False
    file.seek(0)
    for _ in range(_MOST_STEPS):
        head = file.read(8)
        if len(head) < 8:
            break
        size, name = struct.unpack(">I4s", head)
        length = struct.unpack(">Q", file.read(8))[0] - 16 if size == 1 else size - 8
        if name in (b"meta", b"moov"):
            data = file.read(min(length, _MOST_BOX_BYTES))
            file.seek(length - len(data), 1)
            pixels += _extents(data) + _samples(data)
            channels = 4 if b"auxC" in data or b"auxid" in data else channels
            deep |= any(depth > 8 for depth in _depths(data))
        elif size == 0 or length < 0:
            break
        else:
            file.seek(length, 1)
    return Header(pixels, channels, deep) if pixels else None


def _finds(data: bytes, name: bytes) -> Iterator[int]:
    place = data.find(name)
    while place >= 0:
        yield place + 4
        place = data.find(name, place + 4)


def _extents(data: bytes) -> int:
    """Pixels of all distinct images; tiles share one extent, so they count once."""
    return sum(
        width * height
        for width, height in {struct.unpack_from(">II", data, p + 4) for p in _finds(data, b"ispe")}
    )


def _samples(data: bytes) -> int:
    """Pixels of a sequence: samples of all tracks, each as large as the largest track."""
    counts = sum(struct.unpack_from(">I", data, place + 8)[0] for place in _finds(data, b"stsz"))
    # Version 1 has eight-byte times.
    sizes = [
        struct.unpack_from(">II", data, place + (88 if data[place] else 76))
        for place in _finds(data, b"tkhd")
    ]
    return counts * max((width * height >> 32 for width, height in sizes), default=0)


def _depths(data: bytes) -> Iterator[int]:
    for place in _finds(data, b"pixi"):
        if place + 5 < len(data):
            yield data[place + 5]
