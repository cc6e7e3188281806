"""JPEG: segments kept by allow-list, pixels decoded from what was kept, tables of the input used again.

Markers and segments: ITU-T T.81, annex B.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ..errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from ..formats import ImageFormat
from .orientation import read_orientation, swaps_axes, upright
from .picture import Colour, Frame, Picture, Pixels, Rendering, writer

__all__ = ["read"]

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _DAC, _DNL, _COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xCC, 0xDC, 0xFE
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_SOF = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, _DAC}
_DECODABLE_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_PROGRESSIVE_SOF = frozenset({0xC2, 0xCA})

_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
"""The end of entropy-coded data: neither a stuffed byte nor a restart marker."""

_MOST_SCANS = 100
"""Encoders write about ten; files with thousands exist only to burn time."""

_MOST_PROGRESSIVE_PIXELS = 50_000_000
"""libjpeg holds all coefficients of a progressive file: above this an output is written baseline."""

# fmt: off
_ZIGZAG = np.array([  # T.81, figure A.6: position in the file -> position in the 8x8 block
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5, 12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13,  6,  7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
])
# fmt: on


@dataclass(frozen=True)
class _Coding:
    """What gives an output its input's quality.

    Attributes:
        tables: quantisation tables of luma and chroma, `(64,)` in block order; empty if unknown.
        subsampling: of the chroma, in Pillow's words.
        progressive: whether the scans are progressive.
        keep_rgb: whether the components are red, green and blue rather than luma and chroma.
    """

    tables: tuple[list[int], ...]
    subsampling: str
    progressive: bool
    keep_rgb: bool


@dataclass(frozen=True)
class _Header:
    """What the kept segments say of a JPEG.

    Attributes:
        sof: start-of-frame marker.
        size_wh: as stored, before the orientation.
        sampling: horizontal and vertical factor of each component.
        table_of: quantisation table of each component.
        tables: quantisation tables, `(64,)` in block order, by number.
        adobe_transform: colour transform that Adobe's segment names; None without the segment.
    """

    sof: int
    size_wh: tuple[int, int]
    sampling: tuple[tuple[int, int], ...]
    table_of: tuple[int, ...]
    tables: dict[int, list[int]]
    adobe_transform: int | None


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a JPEG; see `images.decode`."""
    kept: list[bytes] = [b"\xff\xd8"]
    icc_parts: list[tuple[int, bytes]] = []
    orientation = 1
    for marker, segment in _segments(data):
        body = segment[4:]
        if marker == _APP1 and body.startswith(b"Exif\x00"):
            orientation = read_orientation(body)
        elif marker == _APP2 and body.startswith(b"ICC_PROFILE\x00") and len(body) > 14:
            icc_parts.append((body[12], body[14:]))
            kept.append(segment)
        elif marker == _APP0 and body.startswith(b"JFIF\x00") and len(body) >= 12:
            kept.append(b"\xff\xe0\x00\x10" + body[:12] + b"\x00\x00")  # without its thumbnail
        elif (marker == _APP14 and body.startswith(b"Adobe")) or not (
            marker == _COM or _APP0 <= marker <= 0xEF
        ):
            kept.append(segment)
    header = _header(kept)
    if header.size_wh[0] * header.size_wh[1] > max_pixels:
        raise ImageTooLarge(header.size_wh[0] * header.size_wh[1], int(max_pixels))
    clean = b"".join(kept)
    pixels, colour = _pixels(clean, header)
    frames = (Frame(upright(pixels, orientation) if orientation != 1 else pixels, colour),)
    icc = b"".join(part for _, part in sorted(icc_parts)) or None
    encode = partial(_encode, coding=_coding(header, swaps_axes(orientation)), icc=icc)
    return Picture(
        ImageFormat.JPEG, frames, writer(frames, encode, clean if orientation == 1 else None), Rendering(icc)
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and whole segments after the start marker, scans with their data, up to the end marker."""
    position = 2
    scans = 0
    while True:
        found = _NEXT_MARKER.search(data, position)
        if found is None:
            raise UnreadableImage("the JPEG is cut off: its end is missing")
        marker = found[1][0]
        start = found.end() - 2
        if marker == _EOI:
            yield marker, b"\xff\xd9"
            return
        if marker in (_SOI, 0x01):
            raise UnreadableImage("the JPEG is damaged: a marker stands where none may be")
        if found.end() + 2 > len(data):
            raise UnreadableImage("the JPEG is cut off inside a segment")
        (length,) = struct.unpack_from(">H", data, found.end())
        end = found.end() + length
        if length < 2 or end > len(data):
            raise UnreadableImage("the JPEG is cut off inside a segment")
        if marker == _SOS:
            scans += 1
            if scans > _MOST_SCANS:
                raise UnsupportedImage(f"the JPEG has more than {_MOST_SCANS} scans")
            following = _NEXT_MARKER.search(data, end)
            if following is None:
                raise UnreadableImage("the JPEG is cut off: its end is missing")
            end = following.start()
        yield marker, data[start:end]
        position = end


def _header(segments: Sequence[bytes]) -> _Header:
    sof = None
    tables: dict[int, list[int]] = {}
    adobe = None
    for segment in segments[1:]:
        marker, body = segment[1], segment[4:]
        if marker == _DQT:
            tables.update(_quantization(body))
        elif marker == _APP14 and len(body) >= 12:
            adobe = body[11]
        elif marker == _DNL:
            raise UnsupportedImage("a JPEG that gives its height at the end is not handled")
        elif marker in _SOF:
            if sof is not None:
                raise UnsupportedImage("a JPEG of several frames is not handled")
            sof = marker, body
    if sof is None or len(sof[1]) < 6 or len(sof[1]) < 6 + 3 * sof[1][5]:
        raise UnreadableImage("the JPEG is damaged: it does not say how large it is")
    marker, body = sof
    precision, height, width, components = struct.unpack_from(">BHHB", body)
    if marker not in _DECODABLE_SOF or precision != 8:
        raise UnsupportedImage("only 8-bit baseline and progressive JPEGs are handled")
    if components not in (1, 3, 4) or not width or not height:
        raise UnsupportedImage(f"a JPEG of {width}x{height} with {components} components is not handled")
    parts = [body[6 + 3 * i : 9 + 3 * i] for i in range(components)]
    return _Header(
        marker,
        (width, height),
        tuple((part[1] >> 4, part[1] & 15) for part in parts),
        tuple(part[2] for part in parts),
        tables,
        adobe,
    )


def _quantization(body: bytes) -> Iterator[tuple[int, list[int]]]:
    position = 0
    while position < len(body):
        wide, number = body[position] >> 4, body[position] & 15
        size = 128 if wide else 64
        if position + 1 + size > len(body):
            raise UnreadableImage("the JPEG is damaged: a quantisation table is cut off")
        stored = np.frombuffer(body, ">u2" if wide else "u1", 64, position + 1)
        table = np.zeros(64, int)
        table[_ZIGZAG] = stored
        yield number, table.tolist()
        position += 1 + size


def _pixels(clean: bytes, header: _Header) -> tuple[Pixels, Colour]:
    if len(header.sampling) == 4:
        with Image.open(io.BytesIO(clean), formats=["JPEG"]) as image:
            return np.array(image), Colour.CMYK
    colour = Colour.GREY if len(header.sampling) == 1 else Colour.RGB
    flag = cv2.IMREAD_GRAYSCALE if colour is Colour.GREY else cv2.IMREAD_COLOR_RGB
    pixels = cv2.imdecode(np.frombuffer(clean, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise UnreadableImage("the JPEG is damaged: its pixels cannot be decoded")
    return pixels.reshape(*pixels.shape[:2], -1).astype(np.uint8, copy=False), colour


def _coding(header: _Header, swapped: bool) -> _Coding:
    """Turned pixels have turned blocks, so their tables and their subsampling are turned with them."""
    numbers = dict.fromkeys((header.table_of[0], header.table_of[min(1, len(header.table_of) - 1)]))
    tables = [np.reshape(header.tables[number], (8, 8)) for number in numbers if number in header.tables]
    horizontal, vertical = header.sampling[0][::-1] if swapped else header.sampling[0]
    return _Coding(
        tuple((table.T if swapped else table).ravel().tolist() for table in tables),
        # Pillow writes these three; any other becomes 4:4:4, which loses nothing.
        {(2, 2): "4:2:0", (2, 1): "4:2:2"}.get((horizontal, vertical), "4:4:4"),
        header.sof in _PROGRESSIVE_SOF,
        len(header.sampling) == 3 and header.adobe_transform == 0,
    )


def _encode(frames: tuple[Frame, ...], coding: _Coding, icc: bytes | None) -> bytes:
    """Encodes with the quantisation tables and the subsampling of the file that was read."""
    (frame,) = frames
    pixels = frame.pixels[..., 0] if frame.colour is Colour.GREY else frame.pixels
    options: dict[str, Any] = {"qtables": list(coding.tables)} if coding.tables else {"quality": 95}
    if frame.colour is not Colour.GREY:
        options["subsampling"] = coding.subsampling
    out = io.BytesIO()
    Image.fromarray(pixels, frame.colour.value).save(
        out,
        "JPEG",
        progressive=coding.progressive and pixels.size <= 3 * _MOST_PROGRESSIVE_PIXELS,
        keep_rgb=coding.keep_rgb,
        icc_profile=icc,
        **options,
    )
    return out.getvalue()
