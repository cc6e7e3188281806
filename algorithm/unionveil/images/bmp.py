"""BMP: decoded strictly and always re-encoded, at the input's bits per pixel where they suffice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImage
from ..formats import ImageFormat
from .bmp_header import ALPHA_MASKS, Bmp, Masks, header, read_header
from .bmp_rle import decode_runs, encode_runs
from .palette import bands, colours_of, indices_of, packed_rows, unpack, unpack_rows, values_in
from .picture import Colour, Frame, Picture, Pixels, Rendering, swap_red_blue, writer
from .pillow import check_size

__all__ = ["read"]


@dataclass(frozen=True)
class _Coding:
    """The properties that an output takes from its input.

    Attributes:
        bits: bits per pixel.
        rle: whether the indices were run-length encoded.
        masks: bits of each channel in 16-bit pixels.
        rendering: colour profile and density.
    """

    bits: int
    rle: bool
    masks: Masks
    rendering: Rendering


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a BMP; see `images.decode`."""
    bmp = read_header(data)
    check_size((bmp.width, bmp.height), 1, max_pixels)
    pixels, colour = _decode_indices(data, bmp) if bmp.bits <= 8 else _decode_colours(data, bmp)
    frames = (Frame(pixels, colour),)
    coding = _Coding(bmp.bits, bmp.rle, bmp.masks, bmp.rendering)
    return Picture(ImageFormat.BMP, frames, writer(frames, partial(_encode, coding=coding)), bmp.rendering)


def _rows(data: bytes, bmp: Bmp) -> npt.NDArray[np.uint8]:
    """`(H, stride)` bytes, top row first; the padding of the last row in the file may be missing."""
    size = bmp.stride * bmp.height
    missing = bmp.start + size - len(data)
    if missing > bmp.stride - -(-bmp.width * bmp.bits // 8):
        raise UnreadableImage("the BMP is cut off")
    if missing > 0:
        data = data + bytes(missing)
    rows = np.frombuffer(data, np.uint8, size, bmp.start).reshape(bmp.height, bmp.stride)
    return rows if bmp.top_down else rows[::-1]


def _decode_indices(data: bytes, bmp: Bmp) -> tuple[Pixels, Colour]:
    if bmp.rle:
        indices = decode_runs(data[bmp.start :], bmp.bits, (bmp.width, bmp.height))[::-1]
    else:
        indices = unpack_rows(_rows(data, bmp), bmp.bits, bmp.width)
    used = values_in(indices)
    if used[-1] >= len(bmp.table):
        raise UnreadableImage("the BMP is damaged: a pixel is outside its colour table")
    if (bmp.table[used] == bmp.table[used, :1]).all():
        return bmp.table[:, :1][indices], Colour.GREY
    return bmp.table[indices], Colour.RGB


def _decode_colours(data: bytes, bmp: Bmp) -> tuple[Pixels, Colour]:
    rows = _rows(data, bmp)
    colour = Colour.RGBA if bmp.masks[3] else Colour.RGB
    channels = bmp.bits // 8
    stored = rows[:, : bmp.width * channels].reshape(bmp.height, bmp.width, channels)
    if bmp.bits == 24:
        return np.ascontiguousarray(stored[..., ::-1]), Colour.RGB
    if bmp.masks[:3] == ALPHA_MASKS[:3] and bmp.masks[3] in (0, ALPHA_MASKS[3]):
        return stored[..., [2, 1, 0, 3][: colour.channels]], colour
    values = np.ascontiguousarray(stored).view(f"<u{channels}")[..., 0]
    pixels = np.empty((*values.shape, colour.channels), np.uint8)
    for channel in range(colour.channels):
        pixels[..., channel] = _scaled(values, bmp.masks[channel])
    return pixels, colour


def _scaled(values: npt.NDArray[Any], mask: int) -> npt.NDArray[np.uint8]:
    """One channel of masked pixels as 0 to 255, rounded down as Pillow does."""
    lowest = mask & -mask
    return ((values & mask) // lowest * 255 // (mask // lowest)).astype(np.uint8)


def _encode(frames: tuple[Frame, ...], coding: _Coding) -> bytes:
    """Encodes a BMP: indices, 16 bits where the input had them, 24, or 32 with opacity."""
    (frame,) = frames
    pixels = frame.pixels.astype(np.uint8, copy=False)
    if coding.bits <= 8 or frame.colour is Colour.GREY:
        colours = colours_of([pixels])
        if colours is not None:
            return _encode_indices(pixels, unpack(colours, frame.colour.channels), colours, coding)
    if coding.bits == 16 and frame.colour is Colour.RGB:
        values = _masked(pixels, coding.masks)
        if values is not None:
            return _encode_rows(values.view(np.uint8)[..., None], 16, coding, coding.masks)
    if frame.colour is Colour.RGBA:
        return _encode_rows(pixels, 32, coding, ALPHA_MASKS)
    return _encode_rows(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), 24, coding, None)


def _encode_indices(
    pixels: npt.NDArray[np.uint8], table: npt.NDArray[np.uint8], colours: Any, coding: _Coding
) -> bytes:
    least = coding.bits if coding.bits <= 8 else 8
    bits = next(bits for bits in (1, 2, 4, 8) if bits >= least and len(table) <= 1 << bits)
    bits = 4 if bits == 2 and coding.bits != 2 else bits
    indices = indices_of(pixels, colours)[::-1]
    rgb = np.broadcast_to(table, (len(table), 3))
    size_wh = (pixels.shape[1], pixels.shape[0])
    packed = _padded(packed_rows(indices, bits)).tobytes()
    runs = encode_runs(indices, bits) if coding.rle and bits in (4, 8) else packed
    rle = len(runs) < len(packed)
    body = runs if rle else packed
    return header(size_wh, bits, coding.rendering, len(body), table=rgb, rle=rle) + body + _profile(coding)


def _encode_rows(pixels: npt.NDArray[np.uint8], bits: int, coding: _Coding, masks: Masks | None) -> bytes:
    """Pixels of whole bytes, bottom row first; RGB and RGBA become BGR and BGRA."""
    height, width = pixels.shape[0], pixels.shape[1] * pixels.shape[2] * 8 // bits
    body = np.zeros((height, -(-width * bits // 32) * 4), np.uint8)
    for rows in bands(height, width):
        part = body[height - rows.stop : height - rows.start][::-1, : width * bits // 8]
        part[...] = swap_red_blue(pixels[rows]).reshape(len(part), -1)
    head = header((width, height), bits, coding.rendering, body.size, masks=masks)
    return b"".join([head, body.data, _profile(coding)])


def _profile(coding: _Coding) -> bytes:
    return coding.rendering.icc or b""


def _padded(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    missing = -rows.shape[1] % 4
    return np.pad(rows, ((0, 0), (0, missing))) if missing else rows


def _masked(pixels: npt.NDArray[np.uint8], masks: Masks) -> npt.NDArray[np.uint16] | None:
    """`(H, W)` 16-bit pixels, or None if they cannot hold all colours exactly."""
    values = np.zeros(pixels.shape[:2], "<u2")
    for channel, mask in enumerate(masks[:3]):
        lowest = mask & -mask
        most = mask // lowest
        level = (pixels[..., channel].astype(np.uint32) * most + 254) // 255
        values |= (level * lowest).astype(np.uint16)
        if not np.array_equal(_scaled(values, mask), pixels[..., channel]):
            return None
    return values
