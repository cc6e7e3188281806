"""PNG files built chunk by chunk, valid and hostile."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

MARKER = b"MARKER-of-24-bytes-------"
RNG = np.random.default_rng(0)
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
EVERY_LAYOUT = (
    [(0, d) for d in (1, 2, 4, 8, 16)]
    + [(3, d) for d in (1, 2, 4, 8)]
    + [(colour_type, depth) for colour_type in (2, 4, 6) for depth in (8, 16)]
)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(
    width: int = 9, height: int = 7, depth: int = 8, colour_type: int = 2, interlace: int = 0
) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlace))


def rows(width: int = 9, height: int = 7, bits: int = 24, filters: int = 0) -> bytes:
    return b"".join(bytes([filters]) + RNG.bytes(-(-width * bits // 8)) for _ in range(height))


def build(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def passes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Width and height of the passes of Adam7, without empty ones (PNG specification, section 8.1)."""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        size = -(-(width - x) // dx), -(-(height - y) // dy)
        if min(size) > 0:
            yield size


def idat(raw: bytes | None = None) -> bytes:
    return chunk(b"IDAT", zlib.compress(rows() if raw is None else raw))


def plain(*extra: bytes) -> bytes:
    """A small RGB PNG with chunks after its header."""
    return build(header(), *extra, idat())


def of_layout(colour_type: int, depth: int, *extra: bytes) -> bytes:
    bits = depth * CHANNELS[colour_type]
    palette = [chunk(b"PLTE", RNG.bytes(3 << depth))] if colour_type == 3 else []
    return build(header(9, 7, depth, colour_type), *palette, *extra, idat(rows(bits=bits, filters=2)))


def kinds(data: bytes) -> list[bytes]:
    found, position = [], 8
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        found.append(data[position + 4 : position + 8])
        position += 12 + length
    return found


def layout(data: bytes) -> tuple[int, int]:
    return data[25], data[24]
