"""The headers of a BMP, read strictly and written from values.

Structures: BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER of the
Windows GDI reference; headers of 52 and 56 bytes end with the masks, those of 64 are OS/2's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImage, UnsupportedImage
from .icc import clean_profile
from .picture import Rendering

__all__ = ["ALPHA_MASKS", "Bmp", "Masks", "header", "read_header"]

Masks = tuple[int, int, int, int]
"""Bits of red, green, blue and alpha in a pixel; 0 for no alpha."""

_FILE_HEADER, _CORE, _INFO, _V5 = 14, 12, 40, 124
_SIZES = (_CORE, _INFO, 52, 56, 64, 108, _V5)
_RGB, _RLE8, _RLE4, _BITFIELDS, _ALPHA_BITFIELDS = 0, 1, 2, 3, 6
_DEFAULT_MASKS: dict[int, Masks] = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
ALPHA_MASKS: Masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
_EMBEDDED, _SRGB, _FOR_IMAGES = 0x4D424544, 0x73524742, 4


@dataclass(frozen=True)
class Bmp:
    """The parsed headers.

    Attributes:
        width: pixels.
        height: pixels.
        bits: bits per pixel.
        top_down: whether the first row in the file is the top one.
        rle: whether the indices are run-length encoded.
        masks: bits of each channel in pixels of 16 and 32 bits.
        table: `(K, 3)` uint8 RGB, the colours of indices; empty without indices.
        start: offset of the pixel data.
        rendering: colour profile and density.
    """

    width: int
    height: int
    bits: int
    top_down: bool
    rle: bool
    masks: Masks
    table: npt.NDArray[np.uint8]
    start: int
    rendering: Rendering

    @property
    def stride(self) -> int:
        """Bytes per row: a multiple of four."""
        return -(-self.width * self.bits // 32) * 4


def read_header(data: bytes) -> Bmp:
    """Reads the headers and the colour table.

    Raises:
        UnreadableImage: cut off, or invalid values.
        UnsupportedImage: a variant that is not handled.
    """
    try:
        start, size = struct.unpack_from("<II", data, 10)
        if size not in _SIZES:
            raise UnreadableImage("the BMP is damaged: its header has an invalid size")
        if len(data) < _FILE_HEADER + size:
            raise UnreadableImage("the BMP is cut off")
        if size == _CORE:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            compression, used, density = _RGB, 0, (0, 0)
        else:
            width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
            density, used = struct.unpack_from("<ii", data, 38), struct.unpack_from("<I", data, 46)[0]
        _check(width, height, bits, compression, size)
        masks, end = _read_masks(data, size, bits, compression)
        table = _read_table(data, end, start, 3 if size == _CORE else 4, bits, used)
    except struct.error as error:
        raise UnreadableImage("the BMP is cut off") from error
    if start < end:
        raise UnreadableImage("the BMP is damaged: its pixel data begins inside its header")
    rendering = Rendering(
        icc=_read_profile(data) if size == _V5 else None,
        density_xy=(float(density[0]), float(density[1])) if min(density) > 0 else None,
    )
    rle = compression in (_RLE4, _RLE8)
    return Bmp(width, abs(height), bits, height < 0, rle, masks, table, start, rendering)


def _check(width: int, height: int, bits: int, compression: int, size: int) -> None:
    if width <= 0 or height == 0:
        raise UnreadableImage("the BMP is damaged: it has no width or no height")
    if compression in (4, 5) or (size == 64 and compression == _BITFIELDS) or 11 <= compression <= 13:
        raise UnsupportedImage(
            "a BMP with JPEG, PNG, fax, RLE24 or CMYK data is not handled; export it again"
        )
    allowed = {
        _RGB: (1, 2, 4, 8, 16, 24, 32),
        _RLE8: (8,),
        _RLE4: (4,),
        _BITFIELDS: (16, 32),
        _ALPHA_BITFIELDS: (16, 32),
    }
    if bits not in allowed.get(compression, ()) or (height < 0 and compression in (_RLE4, _RLE8)):
        raise UnreadableImage("the BMP is damaged: its header holds invalid values")


def _read_masks(data: bytes, size: int, bits: int, compression: int) -> tuple[Masks, int]:
    """The masks, and the offset at which the headers end."""
    end = _FILE_HEADER + size
    if compression not in (_BITFIELDS, _ALPHA_BITFIELDS):
        return _DEFAULT_MASKS.get(bits, (0, 0, 0, 0)), end
    count = 4 if size >= 56 or compression == _ALPHA_BITFIELDS else 3
    values = struct.unpack_from(f"<{count}I", data, _FILE_HEADER + _INFO)
    end = max(end, _FILE_HEADER + _INFO + 4 * count)
    red, green, blue, opacity = (*values, 0)[:4]
    masks = (red, green, blue, opacity)
    bits_set = [mask.bit_count() for mask in masks]
    together = red | green | blue | opacity
    if sum(bits_set) != together.bit_count() or together >> bits or not all(bits_set[:3]):
        raise UnreadableImage("the BMP is damaged: its channels overlap or are missing")
    if max(bits_set) > 8 or any(not _contiguous(mask) for mask in masks):
        raise UnsupportedImage(
            "a BMP with more than 8 bits per channel is not handled; export it as PNG or TIFF"
        )
    return masks, end


def _contiguous(mask: int) -> bool:
    return not mask or (mask // (mask & -mask) + 1).bit_count() == 1


def _read_table(
    data: bytes, position: int, start: int, entry: int, bits: int, used: int
) -> npt.NDArray[np.uint8]:
    """The colour table: as long as the header says, but no longer than the space it has."""
    if bits > 8:
        return np.empty((0, 3), np.uint8)
    count = min(used or 1 << bits, 1 << bits, max(0, start - position) // entry)
    if position + count * entry > len(data):
        raise UnreadableImage("the BMP is cut off")
    entries = np.frombuffer(data, np.uint8, count * entry, position).reshape(-1, entry)
    return entries[:, 2::-1]


def _read_profile(data: bytes) -> bytes | None:
    """The embedded profile; linked profiles are file names and are dropped."""
    (kind,) = struct.unpack_from("<I", data, _FILE_HEADER + 56)
    offset, length = struct.unpack_from("<II", data, _FILE_HEADER + 112)
    if kind != _EMBEDDED:
        return None
    return clean_profile(data[_FILE_HEADER + offset : _FILE_HEADER + offset + length], 3)


def header(
    size_wh: tuple[int, int],
    bits: int,
    rendering: Rendering,
    pixel_bytes: int,
    *,
    table: npt.NDArray[np.uint8] | None = None,
    masks: Masks | None = None,
    rle: bool = False,
) -> bytes:
    """Everything before the pixel data, which the profile follows.

    Args:
        size_wh: width and height.
        bits: bits per pixel.
        rendering: colour profile and density.
        pixel_bytes: length of the pixel data.
        table: `(K, 3)` uint8 RGB, the colours of indices.
        masks: bits of each channel, if not the default.
        rle: whether the indices are run-length encoded.
    """
    long = rendering.icc is not None or (masks is not None and masks[3] != 0)
    entries = np.zeros((0 if table is None else len(table), 4), np.uint8)
    if table is not None:
        entries[:, :3] = table[:, ::-1]
    compression = (_RLE8 if bits == 8 else _RLE4) if rle else _RGB if masks is None else _BITFIELDS
    x, y = (round(value) for value in rendering.density_xy or (0, 0))
    info = struct.pack("<iiHHIIiiII", *size_wh, 1, bits, compression, pixel_bytes, x, y, len(entries), 0)
    if long:
        profile = rendering.icc or b""
        offset = _V5 + entries.nbytes + pixel_bytes if profile else 0
        kind = _EMBEDDED if profile else _SRGB
        info += struct.pack(
            "<4II48xIIII", *(masks or (0, 0, 0, 0)), kind, _FOR_IMAGES, offset, len(profile), 0
        )
    elif masks is not None:
        info += struct.pack("<3I", *masks[:3])
    size = _V5 if long else _INFO
    start = _FILE_HEADER + len(info) + 4 + entries.nbytes
    total = start + pixel_bytes + len(rendering.icc or b"")
    head = b"BM" + struct.pack("<IHHI", total, 0, 0, start) + struct.pack("<I", size)
    return head + info + entries.tobytes()
