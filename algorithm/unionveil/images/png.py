"""PNG and APNG: chunks kept by allow-list, 16 bits stay 16 bits.

Chunks: PNG specification, third edition (W3C, 2025), sections 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import ImageFormat
from .orientation import read_orientation, upright
from .picture import Colour, Frame, Picture, swap_red_blue, writer
from .pillow import check_size, opened, read_frames, save_frames, to_image

__all__ = ["read"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"})
_RENDERING = frozenset({b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"pHYs"})
"""How the samples are to be shown; these go from the input into the output as they are."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel, by colour type."""

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, column step and row step of each pass (section 8.1)."""


@dataclass(frozen=True)
class _Coding:
    """What makes an output like its input.

    Attributes:
        rendering: whole chunks that say how the samples are to be shown.
        bilevel: whether the input had one bit a pixel.
        loop: repetitions of an animation, 0 for ever.
        default_image: whether the first frame is shown only where animations are not.
    """

    rendering: bytes
    bilevel: bool
    loop: int
    default_image: bool


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a PNG or an APNG; see `images.decode`."""
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 25:
        raise UnreadableImage("the PNG is damaged: it does not begin with its header")
    width, height, depth, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", chunks[0][1][8:21])
    animated = any(kind == b"acTL" for kind, _ in chunks)
    frames = sum(kind == b"fcTL" for kind, _ in chunks) + 1 if animated else 1
    check_size((width, height), frames, max_pixels)
    if animated and depth == 16:
        raise UnsupportedImage("an animated PNG of 16 bits is not handled; export it with 8 bits")
    orientation = next((read_orientation(chunk[8:-4]) for kind, chunk in chunks if kind == b"eXIf"), 1)
    kept = [chunk for kind, chunk in chunks if kind in _PIXELS | _RENDERING]
    clean = b"".join([_SIGNATURE, *kept])
    rendering = b"".join(chunk for kind, chunk in chunks if kind in _RENDERING)
    exact = (
        orientation == 1
        and not animated
        and _holds_only(chunks, width, height, depth, colour_type, interlace)
    )
    if depth == 16:
        decoded: tuple[Frame, ...] = (_read_16_bit(clean, orientation),)
        coding = _Coding(rendering, False, 0, False)
    else:
        with opened(clean, "PNG") as image:
            decoded = read_frames(image, orientation=orientation)
            coding = _Coding(
                rendering,
                (depth, colour_type) == (1, 0),
                int(image.info.get("loop", 0)),
                bool(image.info.get("default_image", False)),
            )
    write = writer(decoded, partial(_encode, coding=coding), clean if exact else None)
    return Picture(ImageFormat.PNG, decoded, write)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and whole chunk (length, type, body, checksum), up to the end chunk; what follows is not read."""
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunk = data[position : position + 12 + length]
        if len(chunk) != 12 + length:
            break
        kind = chunk[4:8]
        yield kind, chunk
        if kind == b"IEND":
            return
        position += 12 + length
    raise UnreadableImage("the PNG is cut off")


def _holds_only(
    chunks: list[tuple[bytes, bytes]], width: int, height: int, depth: int, colour_type: int, interlace: int
) -> bool:
    """Whether the compressed data is the picture and nothing behind it (an old crop may leave the rest)."""
    bits = depth * _CHANNELS.get(colour_type, 0)
    passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
    expected = 0
    for x, y, dx, dy in passes:
        columns, rows = max(0, -(-(width - x) // dx)), max(0, -(-(height - y) // dy))
        expected += rows * (1 + -(-columns * bits // 8)) if columns else 0
    stream = zlib.decompressobj()
    size = 0
    try:
        for kind, chunk in chunks:
            if kind == b"IDAT":
                size += len(stream.decompress(chunk[8:-4], expected - size + 1))
                if stream.unconsumed_tail or stream.unused_data or size > expected:
                    return False
    except zlib.error:
        return False
    return size == expected and stream.eof


def _read_16_bit(clean: bytes, orientation: int) -> Frame:
    pixels = cv2.imdecode(np.frombuffer(clean, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise UnreadableImage("the PNG is damaged: its pixels cannot be decoded")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    colour = {1: Colour.GREY, 3: Colour.RGB, 4: Colour.RGBA}[pixels.shape[2]]
    deep = swap_red_blue(pixels.astype(np.uint16, copy=False))
    return Frame(upright(deep, orientation), colour)


def _encode(frames: tuple[Frame, ...], coding: _Coding) -> bytes:
    """Encodes a PNG or an APNG."""
    data = _encode_16_bit(frames[0]) if frames[0].pixels.dtype == np.uint16 else _encode_8_bit(frames, coding)
    head = len(_SIGNATURE) + 25
    return data[:head] + coding.rendering + data[head:]


def _encode_16_bit(frame: Frame) -> bytes:
    done, encoded = cv2.imencode(".png", swap_red_blue(frame.pixels))
    if not done:
        raise UnreadableImage("the PNG cannot be encoded")
    return encoded.tobytes()


def _encode_8_bit(frames: tuple[Frame, ...], coding: _Coding) -> bytes:
    images = [to_image(frame) for frame in frames]
    first = frames[0].pixels
    if coding.bilevel and bool(((first == 0) | (first == 255)).all()):
        images = [images[0].convert("1", dither=None)]
    options = {"default_image": coding.default_image, "loop": coding.loop} if len(images) > 1 else {}
    durations_ms = [frame.duration_ms for frame in frames[coding.default_image :]]
    return save_frames(images, durations_ms, "PNG", **options)
