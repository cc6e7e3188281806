"""The pixel data of a PNG: samples to compressed rows and back.

Rows and filters: PNG specification, third edition (W3C, 2025), sections 7 to 10.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import UnreadableImage
from .palette import packed_rows, unpack_rows
from .picture import Pixels, blue_first
from .png_chunks import PALETTE, Body, Header, read_chunks

__all__ = ["Inflated", "choose_level", "compress", "decompress"]

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, column step and row step of each pass (section 8.1)."""

_LAST_FILTER = 4
_PIECE_BYTES, _INPUT_BYTES = 1 << 20, 1 << 16
"""Sizes of the blocks of decompressed and compressed data that are processed at once."""

_FAST, _THOROUGH = 4, 6
"""Levels of zlib-ng. For 12 megapixels, a photo with grain takes 1.8 s at 4, and 4.7 s at 6 without becoming
smaller; a screenshot .3 and .5 s and saves 3 %; palette indices .1 and .3 s and save 4 to 8 %."""

_DENSE_SHARE = 1 / 6
"""A picture that compresses below this share of its raw bytes counts as a screenshot."""


def choose_level(header: Header, compressed_bytes: int) -> int:
    """The compression level for pixels like the input's.

    Args:
        header: of the input.
        compressed_bytes: of its pixel data, all frames together.
    """
    raw_bytes = header.width * header.height * header.bits / 8
    indexed = header.colour_type == PALETTE or header.depth < 8
    return _THOROUGH if indexed or compressed_bytes < raw_bytes * _DENSE_SHARE else _FAST


def decompress(header: Header, data: Sequence[Body]) -> Pixels:
    """Decodes the pixel data of one picture, a band of rows at a time.

    Args:
        header: size and layout.
        data: the bodies of its data chunks, in order. Anything after the last row is not read.

    Returns:
        `(H, W, C)` samples: uint16 for 16 bits, otherwise uint8; grey of fewer bits is scaled to 0 to 255,
        palette indices are not.

    Raises:
        UnreadableImage: damaged, or incomplete.
    """
    dtype = np.uint16 if header.depth == 16 else np.uint8
    pixels = np.empty((header.height, header.width, header.channels), dtype)
    stream = Inflated(data)
    for x, y, dx, dy in _ADAM7 if header.interlaced else ((0, 0, 1, 1),):
        target = pixels[y::dy, x::dx]
        if target.size:
            _read_rows(stream, header, target)
    stream.finish()
    return pixels


def _read_rows(stream: Inflated, header: Header, target: Pixels) -> None:
    """Decodes the rows of a picture, or of one pass, into their places."""
    height, width = target.shape[:2]
    row_bytes = -(-width * header.bits // 8)
    above = np.zeros(row_bytes, np.uint8)
    step = max(1, _PIECE_BYTES // (1 + row_bytes))
    for top in range(0, height, step):
        count = min(step, height - top)
        filtered = np.frombuffer(stream.read(count * (1 + row_bytes)), np.uint8).reshape(count, -1)
        if filtered[:, 0].max() > _LAST_FILTER:
            raise UnreadableImage("the PNG is damaged: a row has a filter that does not exist")
        rows = _unfiltered(filtered, above, max(1, header.bits // 8))
        above = rows[-1]
        target[top : top + count] = _samples(rows, header, width)


def _unfiltered(
    filtered: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], pixel_bytes: int
) -> npt.NDArray[np.uint8]:
    """Undoes the filters of rows, by Pillow.

    Filters use the same byte of neighbouring pixels (section 9.2), so six or eight bytes per pixel are
    treated as two images of three or four.

    Args:
        filtered: `(h, 1 + n)`, each row after its filter number.
        above: `(n,)`, the row above the first, without its filter.
        pixel_bytes: 1, 2, 3, 4, 6 or 8, a divisor of n.

    Returns:
        `(h, n)` uint8.
    """
    count, size = filtered.shape[0], len(above)
    parts = 2 if pixel_bytes > 4 else 1
    channels = pixel_bytes // parts
    mode = ("L", "LA", "RGB", "RGBA")[channels - 1]
    whole = np.empty((count, size // pixel_bytes, parts, channels), np.uint8)
    behind = np.zeros((1 + count, 1 + size // parts), np.uint8)
    behind[1:, 0] = filtered[:, 0]
    for part in range(parts):
        for target, rows in ((behind[:1, 1:], above[None]), (behind[1:, 1:], filtered[:, 1:])):
            target[...] = rows.reshape(len(rows), -1, parts, channels)[:, :, part].reshape(len(rows), -1)
        # Uncompressed data cost little to decompress again.
        stored = zlib.compress(behind.data, 0)
        image = Image.frombytes(mode, (size // pixel_bytes, 1 + count), stored, "zip", mode, 0)
        whole[:, :, part] = np.asarray(image).reshape(1 + count, -1, channels)[1:]
    return whole.reshape(count, size)


def _samples(rows: npt.NDArray[np.uint8], header: Header, width: int) -> Pixels:
    if header.depth == 16:
        return rows.view(">u2").reshape(len(rows), width, -1)
    if header.depth == 8:
        return rows.reshape(len(rows), width, -1)
    values = unpack_rows(rows, header.depth, width)
    if header.colour_type != PALETTE:
        values *= np.uint8(255 // ((1 << header.depth) - 1))
    return values[..., None]


class Inflated:
    """The decompressed data of one image, in pieces of any length."""

    def __init__(self, data: Iterable[Body]) -> None:
        # Short pieces, because `zlib` copies the input that it has not used yet.
        self._pieces = (
            body[at : at + _INPUT_BYTES] for body in data for at in range(0, len(body), _INPUT_BYTES)
        )
        self._stream = zlib.decompressobj()
        self._left: bytes | Body = b""

    def read(self, size: int) -> bytearray:
        """The next bytes.

        Raises:
            UnreadableImage: damaged, or fewer bytes are left.
        """
        found = bytearray()
        while len(found) < size:
            piece = self._some(size - len(found))
            if not piece:
                raise UnreadableImage("the PNG is cut off: it has fewer rows than its header says")
            found += piece
        return found

    def finish(self) -> None:
        """Checks the checksum at the end; a cropped file may have unread rows before it.

        Raises:
            UnreadableImage: the checksum is missing or wrong.
        """
        self._some(1)

    def _some(self, most: int) -> bytes:
        """At least one byte; none at the regular end."""
        try:
            while not self._stream.eof:
                piece = None if len(self._left) else next(self._pieces, None)
                is_all = piece is None and not len(self._left)
                found = self._stream.decompress(self._left if piece is None else piece, most)
                self._left = self._stream.unconsumed_tail
                if found:
                    return found
                if is_all and not self._stream.eof:
                    raise UnreadableImage("the PNG is cut off inside its pixel data")
        except zlib.error as error:
            raise UnreadableImage("the PNG is damaged: its pixel data cannot be decompressed") from error
        return b""


def compress(samples: Pixels, header: Header, level: int) -> list[Body]:
    """Encodes the pixel data of one picture.

    Args:
        samples: `(H, W, C)` in the layout of the header; below 8 bits they are not scaled (0 to 2^depth - 1).
            16-bit samples are in BGR order during encoding, and restored afterwards.
        header: size and layout, not interlaced.
        level: of zlib, see `choose_level`.

    Returns:
        The body of a data chunk, in pieces.
    """
    if header.depth == 16 and header.channels != 2:
        with blue_first(samples) as swapped:
            done, encoded = cv2.imencode(".png", swapped, [cv2.IMWRITE_PNG_COMPRESSION, level])
        if not done:
            raise UnreadableImage("the PNG cannot be encoded")
        data = encoded.tobytes()
    else:
        data = _encoded(samples, header, level)
    return [body for kind, body in read_chunks(data) if kind == b"IDAT"]


def _encoded(samples: Pixels, header: Header, level: int) -> bytes:
    """A PNG by Pillow."""
    if header.depth == 16:
        samples = samples.astype(">u2").view(np.uint8)
    if header.channels == 1 and header.depth <= 8:
        samples = packed_rows(samples[..., 0].astype(np.uint8, copy=False), header.depth)[..., None]
    indexed = header.depth < 8 or header.colour_type == PALETTE
    mode = "P" if indexed else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples.shape[2]]
    height, width = samples.shape[:2]
    image = Image.frombuffer(mode, (width, height), np.ascontiguousarray(samples), "raw", mode, 0, 1)
    if indexed:  # rows of indices are not filtered, and Pillow writes 8 bits for 256 colours
        image.putpalette(bytes(768))
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=level)
    return out.getvalue()
