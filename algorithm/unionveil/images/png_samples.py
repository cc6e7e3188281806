"""The pixel data of a PNG: samples to compressed rows and back.

Rows and filters: PNG specification, third edition (W3C, 2025), sections 7 to 10.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import UnreadableImage
from .palette import packed_rows
from .picture import Pixels, swap_red_blue
from .pillow import opened
from .png_chunks import GREY_ALPHA, PALETTE, RGB_ALPHA, SIGNATURE, Body, Header, chunk, read_chunks

__all__ = ["choose_level", "compress", "decompress"]

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, column step and row step of each pass (section 8.1)."""

_LAST_FILTER = 4
_PIECE_BYTES = 1 << 20

_FAST, _THOROUGH = 4, 6
"""Levels of zlib-ng. Of 12 megapixels, a photo with grain takes 1.8 s at 4 and 4.7 s at 6 without gaining
anything, a screenshot .3 and .5 s and gains 3 %, and indices into a palette .1 and .3 s and gain 4 to 8 %."""

_DENSE_SHARE = 1 / 6
"""Share of the raw bytes below which a compressed picture counts as a screenshot."""


def choose_level(header: Header, compressed_bytes: int) -> int:
    """The level at which pixels like the input's are compressed.

    Args:
        header: of the input.
        compressed_bytes: of its pixel data, all frames together.
    """
    raw_bytes = header.width * header.height * header.bits / 8
    indexed = header.colour_type == PALETTE or header.depth < 8
    return _THOROUGH if indexed or compressed_bytes < raw_bytes * _DENSE_SHARE else _FAST


def decompress(header: Header, data: Sequence[Body]) -> Pixels:
    """Decodes the pixel data of one picture.

    Args:
        header: size and layout.
        data: the bodies of its data chunks, in order. What follows the last row is not read.

    Returns:
        `(H, W, C)` samples: uint16 for 16 bits, otherwise uint8; grey of fewer bits is scaled to 0 to 255,
        indices into a palette are as they are.

    Raises:
        UnreadableImage: damaged, or less than the picture.
    """
    _check(header, data)
    if header.depth == 16 and header.colour_type == GREY_ALPHA:
        # OpenCV drops the opacity. The filters work on bytes, so a decoder of 8 bits reads four channels.
        doubled = Header(header.width, header.height, 8, RGB_ALPHA, header.interlaced)
        return _decode(doubled, data).view(">u2").astype(np.uint16)
    return _decode_deep(header, data) if header.depth == 16 else _decode(header, data)


def _file(header: Header, data: Sequence[Body]) -> bytes:
    palette = [chunk(b"PLTE", bytes(3 << header.depth))] if header.colour_type == PALETTE else []
    return b"".join(
        [SIGNATURE, header.chunk(), *palette, chunk(b"IDAT", b"".join(data)), chunk(b"IEND", b"")]
    )


def _decode(header: Header, data: Sequence[Body]) -> npt.NDArray[np.uint8]:
    with opened(_file(header, data), "PNG") as image:
        image.load()
        pixels = np.array(image.convert("L") if image.mode == "1" else image)
    return pixels.reshape(header.height, header.width, -1)


def _decode_deep(header: Header, data: Sequence[Body]) -> npt.NDArray[np.uint16]:
    pixels = cv2.imdecode(np.frombuffer(_file(header, data), np.uint8), cv2.IMREAD_UNCHANGED)
    shape = (header.height, header.width, header.channels)
    if pixels is None or pixels.dtype != np.uint16 or pixels.size != np.prod(shape):
        raise UnreadableImage("the PNG is damaged: its pixels cannot be decoded")
    pixels = pixels.reshape(shape)
    return swap_red_blue(pixels.astype(np.uint16, copy=False)).astype(np.uint16, copy=False)


def _check(header: Header, data: Iterable[Body]) -> None:
    """Refuses pixel data that decoders would complete, or decode to something else, without a word."""
    passes = _passes(header)
    expected = passes[-1][1]
    position = 0
    try:
        for piece in _inflate(data):
            if not _filters_exist(piece, position, passes):
                raise UnreadableImage("the PNG is damaged: a row has a filter that does not exist")
            position += len(piece)
            if position > expected:  # an old crop may leave the rest of the picture behind
                return
    except zlib.error as error:
        raise UnreadableImage("the PNG is damaged: its pixel data cannot be decompressed") from error
    if position < expected:
        raise UnreadableImage("the PNG is cut off: it has fewer rows than its header says")


def _passes(header: Header) -> list[tuple[int, int, int]]:
    """First byte, end and bytes per row of each pass in the decompressed data."""
    spans = []
    begin = 0
    for x, y, dx, dy in _ADAM7 if header.interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(header.width - x) // dx), -(-(header.height - y) // dy)
        if columns > 0 and rows > 0:
            stride = 1 + -(-columns * header.bits // 8)
            spans.append((begin, begin + rows * stride, stride))
            begin += rows * stride
    return spans


def _inflate(data: Iterable[Body]) -> Iterator[bytes]:
    """The decompressed data in small pieces; checks the checksum at its end, reads nothing behind it."""
    stream = zlib.decompressobj()
    for body in data:
        rest: bytes | Body = body
        while len(rest) and not stream.eof:
            yield stream.decompress(rest, _PIECE_BYTES)
            rest = stream.unconsumed_tail
    yield stream.flush()
    if not stream.eof:
        raise UnreadableImage("the PNG is cut off inside its pixel data")


def _filters_exist(piece: bytes, start: int, passes: Sequence[tuple[int, int, int]]) -> bool:
    """Whether every row that begins inside a piece of the decompressed data names a filter (0 to 4)."""
    values = np.frombuffer(piece, np.uint8)
    for begin, end, stride in passes:
        first = begin + -(-max(start - begin, 0) // stride) * stride
        filters = values[first - start : max(0, min(end - start, len(values))) : stride]
        if filters.size and filters.max() > _LAST_FILTER:
            return False
    return True


def compress(samples: Pixels, header: Header, level: int) -> bytes:
    """Encodes the pixel data of one picture.

    Args:
        samples: `(H, W, C)` in the layout of the header; below 8 bits they are not scaled (0 to 2^depth - 1).
        header: size and layout, not interlaced.
        level: of zlib, see `choose_level`.

    Returns:
        The body of a data chunk.
    """
    if header.depth == 16 and header.channels != 2:
        done, encoded = cv2.imencode(".png", swap_red_blue(samples), [cv2.IMWRITE_PNG_COMPRESSION, level])
        if not done:
            raise UnreadableImage("the PNG cannot be encoded")
        return _pixel_data(encoded.tobytes())
    if header.depth == 16:
        samples = samples.astype(">u2").view(np.uint8)
    if header.channels == 1 and header.depth <= 8:
        samples = packed_rows(samples[..., 0].astype(np.uint8, copy=False), header.depth)[..., None]
    indexed = header.depth < 8 or header.colour_type == PALETTE
    mode = "P" if indexed else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples.shape[2]]
    height, width = samples.shape[:2]
    image = Image.frombuffer(mode, (width, height), np.ascontiguousarray(samples), "raw", mode, 0, 1)
    if indexed:  # rows of indices are not filtered, and 256 colours make Pillow write 8 bits
        image.putpalette(bytes(768))
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=level)
    return _pixel_data(out.getvalue())


def _pixel_data(data: bytes) -> bytes:
    return b"".join(body for kind, body in read_chunks(data) if kind == b"IDAT")
