"""Rows of bytes of a TIFF's page to pixels of a frame and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .palette import bands, colours_of, indices_of, packed_rows, sub_byte_depth, unpack, unpack_rows
from .picture import Colour, Pixels
from .tiff_layout import Extra, Layout, Photometric
from .tiff_segments import Rows

__all__ = ["Stored", "to_pixels", "to_stored"]

_COLOURS = {
    Photometric.WHITE_IS_ZERO: Colour.GREY,
    Photometric.BLACK_IS_ZERO: Colour.GREY,
    Photometric.RGB: Colour.RGB,
    Photometric.PALETTE: Colour.RGB,
    Photometric.CMYK: Colour.CMYK,
    Photometric.YCBCR: Colour.RGB,
}
_WITH_ALPHA = {Colour.GREY: Colour.GREY_ALPHA, Colour.RGB: Colour.RGBA}


def to_pixels(planes: Iterable[npt.NDArray[np.uint8]], layout: Layout, order: str) -> tuple[Pixels, Colour]:
    """Rows of all planes as pixels.

    Args:
        planes: `(H, bytes)` uint8 each.
        layout: of the page; YCbCr is already RGB.
        order: byte order of the file, `<` or `>`.

    Returns:
        `(H, W, C)` as stored, before the orientation, and the meaning of the channels.
    """
    pixels = _samples(planes, layout, order)
    colour = _COLOURS[layout.photometric]
    if layout.photometric is Photometric.PALETTE:
        return _colour_map(layout)[pixels[..., 0]], colour
    if layout.photometric is Photometric.WHITE_IS_ZERO:
        np.subtract(np.iinfo(pixels.dtype).max, pixels[..., :1], out=pixels[..., :1])
    if layout.extra is Extra.UNSPECIFIED:
        return pixels[..., :-1].copy(), colour
    if layout.extra is None:
        return pixels, colour
    if layout.extra is Extra.ASSOCIATED_ALPHA:
        _dissociate(pixels)
    return pixels, _WITH_ALPHA[colour]


def _samples(planes: Iterable[npt.NDArray[np.uint8]], layout: Layout, order: str) -> Pixels:
    if not layout.planar:
        (rows,) = planes
        return _plane(rows, layout, order)
    dtype = np.uint16 if layout.bits == 16 else np.uint8
    pixels = np.empty((layout.height, layout.width, layout.samples), dtype)
    for channel, rows in enumerate(planes):
        pixels[..., channel] = _plane(rows, layout, order)[..., 0]
    return pixels


def _plane(rows: npt.NDArray[np.uint8], layout: Layout, order: str) -> Pixels:
    """`(H, W, samples of a segment)`; grey of fewer than 8 bits is scaled to 0 to 255, indices are not."""
    shape = (layout.height, layout.width, layout.segment_samples)
    if layout.bits == 16:
        deep = rows.view(np.uint16).reshape(shape)
        return deep if np.dtype(f"{order}u2").isnative else deep.byteswap(inplace=True)
    if layout.bits == 8:
        return rows.reshape(shape)
    values = unpack_rows(rows, layout.bits, layout.width)
    if layout.photometric is not Photometric.PALETTE:
        values *= np.uint8(255 // ((1 << layout.bits) - 1))
    return values.reshape(shape)


def _colour_map(layout: Layout) -> npt.NDArray[np.uint8]:
    """`(2^bits, 3)`; maps that only hold 8-bit values are read as such, as in libtiff."""
    values = np.array(layout.colour_map, np.uint32).reshape(3, -1).T
    return (values if values.max() < 256 else values >> 8).astype(np.uint8)


def _dissociate(pixels: Pixels) -> None:
    """Divides colours by their alpha, in place: c * white / a, rounded; 0 where a is 0.

    Multiplied and rounded again, they give the same stored values, as long as those are at most a.
    """
    white = int(np.iinfo(pixels.dtype).max)
    for rows in bands(*pixels.shape[:2]):
        part = pixels[rows]
        opacity = part[..., -1:].astype(np.uint32)
        colours = np.minimum(part[..., :-1], opacity)
        divided = (colours * np.uint32(white) + opacity // 2) // np.maximum(opacity, 1)
        part[..., :-1] = divided.astype(pixels.dtype)


@dataclass(frozen=True)
class Stored:
    """Pixels in the layout in which they are written: one plane, no predictor.

    Attributes:
        rows: of the page; 16-bit samples are little-endian.
        height: number of rows.
        width: pixels per row.
        bits: bits per sample.
        samples: samples per pixel.
        photometric: their meaning.
        colour_map: 3 * 2^bits 16-bit values, reds first, for a palette.
    """

    rows: Rows
    height: int
    width: int
    bits: int
    samples: int
    photometric: Photometric
    colour_map: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and bytes in each."""
        return self.height, -(-self.width * self.samples * self.bits // 8)


def to_stored(pixels: Pixels, colour: Colour, like: Layout) -> Stored:
    """Pixels in the input's layout, as long as it represents them exactly.

    Args:
        pixels: `(H, W, C)` uint8 or uint16.
        colour: meaning of the channels.
        like: layout of the input.
    """
    height, width, samples = pixels.shape
    if like.photometric is Photometric.PALETTE and (palette := _to_palette(pixels, like)):
        return palette
    photometric = {
        Colour.CMYK: Photometric.CMYK,
        Colour.RGB: Photometric.RGB,
        Colour.RGBA: Photometric.RGB,
    }.get(colour, like.photometric)
    inverted = photometric is Photometric.WHITE_IS_ZERO
    bits = 8 * pixels.dtype.itemsize
    if colour is Colour.GREY and bits == 8:
        # A grey value and its complement need the same number of bits.
        bits = sub_byte_depth(pixels[..., 0].astype(np.uint8, copy=False), like.bits)

    def rows(band: slice) -> npt.NDArray[np.uint8]:
        part = pixels[band]
        if inverted:
            part = part.copy()
            np.subtract(np.iinfo(part.dtype).max, part[..., :1], out=part[..., :1])
        if bits < 8:
            values = part[..., 0].astype(np.uint8, copy=False) // np.uint8(255 // ((1 << bits) - 1))
            return packed_rows(values, bits)
        stored = np.ascontiguousarray(part.astype(f"<u{bits // 8}", copy=False))
        return stored.view(np.uint8).reshape(len(part), -1)

    return Stored(rows, height, width, bits, samples, photometric)


def _to_palette(pixels: Pixels, like: Layout) -> Stored | None:
    colours = colours_of([pixels.astype(np.uint8, copy=False)])
    if colours is None:
        return None
    bits = next(bits for bits in (1, 2, 4, 8) if bits >= like.bits and len(colours) <= 1 << bits)
    table = np.zeros((1 << bits, 3), np.uint16)
    table[: len(colours)] = unpack(colours, 3)

    def rows(band: slice) -> npt.NDArray[np.uint8]:
        return packed_rows(indices_of(pixels[band].astype(np.uint8, copy=False), colours), bits)

    # TIFF 6.0, section 5: 65535 is full intensity.
    colour_map = tuple(int(value) * 257 for value in table.T.reshape(-1))
    height, width = pixels.shape[:2]
    return Stored(rows, height, width, bits, 1, Photometric.PALETTE, colour_map)
