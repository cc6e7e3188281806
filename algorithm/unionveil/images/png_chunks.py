"""The chunks of a PNG: read strictly, and written from values.

Chunks: PNG specification, third edition (W3C, 2025), sections 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..errors import UnreadableImage, UnsupportedImage
from .icc import clean_profile
from .picture import Rendering

__all__ = [
    "GREY",
    "GREY_ALPHA",
    "PALETTE",
    "RGB",
    "RGB_ALPHA",
    "SIGNATURE",
    "Body",
    "Chunk",
    "Header",
    "chunk",
    "chunk_parts",
    "read_chunks",
    "read_header",
    "read_rendering",
    "rendering_chunks",
]

Body: TypeAlias = memoryview
Chunk: TypeAlias = tuple[bytes, Body]
"""Type and body of a chunk."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
"""Colour types (section 11.2.1)."""

_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
_ONCE = frozenset({b"IHDR", b"PLTE", b"tRNS", b"acTL", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"pHYs"})
_LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9, b"acTL": 8, b"fcTL": 26}
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_GAMMAS = range(16, 625_000_001)
"""The range of gAMA, in units of 1/100000, that libpng accepts as a gamma; decoders ignore other values."""

_MOST_PROFILE_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Header:
    """The header chunk of a PNG.

    Attributes:
        width: pixels.
        height: pixels.
        depth: bits per sample.
        colour_type: see `GREY` and its neighbours.
        interlaced: whether the rows come in the seven passes of Adam7.
    """

    width: int
    height: int
    depth: int
    colour_type: int
    interlaced: bool = False

    @property
    def channels(self) -> int:
        """Samples per pixel."""
        return _CHANNELS[self.colour_type]

    @property
    def bits(self) -> int:
        """Bits per pixel."""
        return self.depth * self.channels

    def sized(self, width: int, height: int) -> Header:
        """The same layout with another size."""
        return replace(self, width=width, height=height)

    def chunk(self) -> bytes:
        """The chunk that holds these values."""
        values = (self.width, self.height, self.depth, self.colour_type, 0, 0, int(self.interlaced))
        return chunk(b"IHDR", struct.pack(">IIBBBBB", *values))


def chunk(kind: bytes, *body: bytes | Body) -> bytes:
    """A whole chunk: length, type, body, checksum."""
    return b"".join(chunk_parts(kind, body))


def chunk_parts(kind: bytes, body: Sequence[bytes | Body]) -> list[bytes | Body]:
    """A whole chunk in pieces, to avoid copying its body.

    Args:
        kind: its type.
        body: its body in pieces.
    """
    checksum = zlib.crc32(kind)
    for piece in body:
        checksum = zlib.crc32(piece, checksum)
    return [struct.pack(">I", sum(map(len, body))), kind, *body, struct.pack(">I", checksum)]


def read_chunks(data: bytes) -> list[Chunk]:
    """All chunks up to the end chunk; anything after it is not read.

    Raises:
        UnreadableImage: cut off, a wrong checksum, or chunks in an order or number that the specification
            forbids.
        UnsupportedImage: Apple's variant, or a critical chunk that the specification does not define.
    """
    chunks = list(_walk(data))
    kinds = [kind for kind, _ in chunks]
    if kinds[0] == b"CgBI":
        raise UnsupportedImage("Apple's own variant of PNG is not handled; revert it with pngcrush")
    if kinds[0] != b"IHDR":
        raise UnreadableImage("the PNG is damaged: it does not begin with its header")
    for kind, body in chunks:
        if kind not in _CRITICAL and not kind[0] & 0x20:
            raise UnsupportedImage("a PNG with unknown critical chunks is not handled; export it again")
        if kind in _ONCE and kinds.count(kind) > 1:
            raise UnreadableImage(f"the PNG is damaged: it has two {kind.decode()} chunks")
        if len(body) != _LENGTHS.get(kind, len(body)):
            raise UnreadableImage(f"the PNG is damaged: its {kind.decode()} chunk has a wrong length")
    _check_pixel_data(kinds)
    return chunks


def _walk(data: bytes) -> Iterator[Chunk]:
    view = memoryview(data)
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            break
        kind = data[position + 4 : position + 8]
        if not (kind.isalpha() and kind.isascii()):
            raise UnreadableImage("the PNG is damaged: a chunk has no proper type")
        if struct.unpack_from(">I", data, end)[0] != zlib.crc32(view[position + 4 : end]):
            raise UnreadableImage(f"the PNG is damaged: the checksum of its {kind.decode()} chunk is wrong")
        yield kind, view[position + 8 : end]
        if kind == b"IEND":
            return
        position = end + 4
    raise UnreadableImage("the PNG is cut off")


def _check_pixel_data(kinds: Sequence[bytes]) -> None:
    if b"IDAT" not in kinds:
        raise UnreadableImage("the PNG is damaged: it has no pixel data")
    first, count = kinds.index(b"IDAT"), kinds.count(b"IDAT")
    if kinds[first : first + count] != [b"IDAT"] * count:
        raise UnreadableImage("the PNG is damaged: other chunks lie between its pixel data")
    for kind in (b"PLTE", b"tRNS"):
        if kind in kinds and kinds.index(kind) > first:
            raise UnreadableImage(f"the PNG is damaged: its {kind.decode()} chunk comes after the pixel data")


def read_header(chunks: Sequence[Chunk]) -> Header:
    """The header, checked against the values that the specification allows.

    Raises:
        UnreadableImage: invalid values.
    """
    body = chunks[0][1]
    if len(body) != 13:
        raise UnreadableImage("the PNG is damaged: its header has a wrong length")
    width, height, depth, colour_type, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    valid = (
        0 < width < 1 << 31
        and 0 < height < 1 << 31
        and depth in _DEPTHS.get(colour_type, ())
        and (compression, filtering) == (0, 0)
        and interlace in (0, 1)
    )
    if not valid:
        raise UnreadableImage("the PNG is damaged: its header holds invalid values")
    return Header(width, height, depth, colour_type, bool(interlace))


def read_rendering(chunks: Sequence[Chunk], header: Header) -> Rendering:
    """How to show the samples, by the chunks before the pixel data; later ones have no effect."""
    first = next(place for place, (kind, _) in enumerate(chunks) if kind == b"IDAT")
    bodies = dict(chunks[:first])
    colour_channels = 1 if header.colour_type in (GREY, GREY_ALPHA) else 3
    gamma = int.from_bytes(bodies.get(b"gAMA", b""), "big")
    intent = bodies[b"sRGB"][0] if b"sRGB" in bodies else None
    return Rendering(
        icc=_read_profile(bytes(bodies[b"iCCP"]), colour_channels) if b"iCCP" in bodies else None,
        cicp=_read_cicp(bytes(bodies[b"cICP"])) if b"cICP" in bodies else None,
        gamma=gamma / 100_000 if gamma in _GAMMAS else None,
        chromaticities=_read_points(bodies[b"cHRM"]) if b"cHRM" in bodies else None,
        srgb_intent=intent if intent in (0, 1, 2, 3) else None,
        density_xy=_read_density(bodies[b"pHYs"]) if b"pHYs" in bodies else None,
    )


def _read_profile(body: bytes, colour_channels: int) -> bytes | None:
    """The profile without its name, which is free text; None if it does not parse."""
    name, separator, rest = body.partition(b"\x00")
    if not separator or not 1 <= len(name) <= 79 or rest[:1] != b"\x00":
        return None
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(rest[1:], _MOST_PROFILE_BYTES)
    except zlib.error:
        return None
    return clean_profile(profile, colour_channels) if stream.eof else None


def _read_cicp(body: bytes) -> tuple[int, int, int, bool] | None:
    """None if the values are not for RGB (section 11.3.2.6: matrix coefficients shall be 0)."""
    primaries, transfer, matrix, full_range = body
    return None if matrix or full_range > 1 else (primaries, transfer, matrix, bool(full_range))


def _read_points(body: Body) -> tuple[float, float, float, float, float, float, float, float] | None:
    """None if a point is outside the diagram, or on its lower edge, where its luminance is 0."""
    points = struct.unpack(">8I", body)
    inside = all(x + y <= 100_100 and y for x, y in zip(points[::2], points[1::2], strict=True))
    return tuple(point / 100_000 for point in points) if inside else None


def _read_density(body: Body) -> tuple[float, float] | None:
    x, y, unit = struct.unpack(">IIB", body)
    return (float(x), float(y)) if unit == 1 and 0 < x < 1 << 31 and 0 < y < 1 << 31 else None


def rendering_chunks(rendering: Rendering) -> bytes:
    """The chunks that define how to show the samples; they go before the palette and pixel data."""
    parts = []
    if rendering.cicp is not None:
        parts.append(chunk(b"cICP", bytes([*rendering.cicp[:3], rendering.cicp[3]])))
    if rendering.icc is not None:
        parts.append(chunk(b"iCCP", b"icc\x00\x00" + zlib.compress(rendering.icc, 9)))
    if rendering.srgb_intent is not None:
        parts.append(chunk(b"sRGB", bytes([rendering.srgb_intent])))
    if rendering.gamma is not None:
        parts.append(chunk(b"gAMA", struct.pack(">I", round(rendering.gamma * 100_000))))
    if rendering.chromaticities is not None:
        points = [round(value * 100_000) for value in rendering.chromaticities]
        parts.append(chunk(b"cHRM", struct.pack(">8I", *points)))
    if rendering.density_xy is not None:
        x, y = rendering.density_xy
        parts.append(chunk(b"pHYs", struct.pack(">IIB", round(x), round(y), 1)))
    return b"".join(parts)
