"""Animated AVIFs: reads the track's properties, and removes the creation times from outputs.

Boxes: ISO/IEC 14496-12, 8; sample entries: AV1 Codec ISO Media File Format Binding, 2.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .coded import Cicp

__all__ = ["Track", "read_track", "settle"]

_HEADS = {
    b"moov": 0,
    b"trak": 0,
    b"mdia": 0,
    b"minf": 0,
    b"stbl": 0,
    b"stsd": 8,
    b"av01": 78,
    b"meta": 4,
    b"iprp": 0,
    b"ipco": 0,
}
"""Boxes that hold boxes, and the number of bytes before the first of them."""


@dataclass(frozen=True)
class Track:
    """The first picture track.

    Attributes:
        configuration: body of its `av1C` box.
        cicp: colours that it gives.
        icc: colour profile, as stored.
    """

    configuration: bytes
    cicp: Cicp | None
    icc: bytes | None


def read_track(data: bytes) -> Track | None:
    """The first AV1 track of a file, if present."""
    configuration = cicp = icc = None
    for path, start, end in _walk(data, 0, len(data), ()):
        if path[:1] != (b"moov",):
            continue
        body = data[start:end]
        if path[-1] == b"av1C" and configuration is None and len(body) >= 4:
            configuration = body
        elif path[-1] == b"colr" and body[:4] == b"nclx" and cicp is None and len(body) >= 11:
            primaries, transfer, matrix, full = struct.unpack_from(">HHHB", body, 4)
            cicp = (primaries & 255, transfer & 255, matrix & 255, full >= 128)
        elif path[-1] == b"colr" and body[:4] in (b"prof", b"rICC") and icc is None:
            icc = body[4:]
    return None if configuration is None else Track(configuration, cicp, icc)


def settle(data: bytes, primaries: int, transfer: int) -> bytes:
    """An encoder's file with these colours and without times.

    Args:
        data: an animation as the encoder wrote it; its matrix coefficients and range are kept.
        primaries: colour primaries (ITU-T H.273).
        transfer: transfer characteristics.
    """
    settled = bytearray(data)
    for path, start, _ in _walk(data, 0, len(data), ()):
        if path[-1] in (b"mvhd", b"tkhd", b"mdhd"):
            times = 16 if data[start] else 8  # creation and modification
            settled[start + 4 : start + 4 + times] = bytes(times)
        elif path[-1] == b"colr" and data[start : start + 4] == b"nclx":
            struct.pack_into(">HH", settled, start + 4, primaries, transfer)
    return bytes(settled)


def _walk(
    data: bytes, start: int, end: int, above: tuple[bytes, ...]
) -> Iterator[tuple[tuple[bytes, ...], int, int]]:
    """Every box: the names of its ancestors and its own, and the offsets of its body."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head or size > end - start:
            return
        path = (*above, kind)
        yield path, start + head, start + size
        if kind in _HEADS and len(path) < 10:
            yield from _walk(data, start + head + _HEADS[kind], start + size, path)
        start += size
