"""Large lossless outputs, decoded by OpenCV a few rows at a time: whole, they would be in memory twice.

Our own code reads only the structure of the file; OpenCV handles filters, predictors and samples.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImage
from .picture import Pixels, swap_red_blue
from .png_chunks import GREY, RGB, RGB_ALPHA, SIGNATURE, Body, Header, chunk, read_chunks, read_header
from .png_samples import Inflated
from .tiff_layout import OPAQUE, WANTED, Compression, Layout
from .tiff_layout import read_layout as read_tiff_layout
from .tiff_segments import Segment
from .tiff_structure import Entry, read_structure, write_structure

__all__ = ["png_stripes", "tiff_stripes"]

_STRIPE_BYTES = 4 << 20

_Stripes: TypeAlias = Iterator[Pixels]
"""Stripes of `(h, W, C)`, in order, in BGR order."""


def png_stripes(data: bytes) -> _Stripes | None:
    """The rows of a still PNG of whole bytes per sample, without palette and colour key; None for any other.

    Raises:
        UnreadableImage: damaged; also while the rows are read.
    """
    chunks = read_chunks(data)
    header = read_header(chunks)
    kinds = {kind for kind, _ in chunks}
    plain = header.colour_type in (GREY, RGB, RGB_ALPHA) and header.depth >= 8 and not header.interlaced
    if not plain or kinds & {b"acTL", b"tRNS", b"PLTE"}:
        return None
    return _png_rows([body for kind, body in chunks if kind == b"IDAT"], header)


def _png_rows(data: Sequence[Body], header: Header) -> _Stripes:
    """Each stripe as a separate PNG, below the row above it, which filters refer to."""
    stream = Inflated(data)
    row_bytes = header.width * header.bits // 8
    step = max(1, _STRIPE_BYTES // row_bytes)
    above = bytes(row_bytes)
    for top in range(0, header.height, step):
        count = min(step, header.height - top)
        raw = b"\x00" + above + stream.read(count * (1 + row_bytes))
        parts = [
            header.sized(header.width, 1 + count).chunk(),
            chunk(b"IDAT", zlib.compress(raw, 0)),
            chunk(b"IEND", b""),
        ]
        pixels = _decoded(SIGNATURE + b"".join(parts), (1 + count, header.width, header.channels))[1:]
        above = swap_red_blue(pixels[-1:]).astype(f">u{header.depth // 8}").tobytes()
        yield pixels
    stream.finish()


def tiff_stripes(data: bytes) -> list[_Stripes]:
    """The rows of each page of a TIFF of 16-bit RGB or RGBA, in our writer's layout.

    Raises:
        UnreadableImage: damaged; also while the rows are read.
    """
    tiff = read_structure(data, WANTED, OPAQUE)
    return [_tiff_rows(data, read_tiff_layout(tags, len(data))) for tags in tiff.pages]


def _tiff_rows(data: bytes, layout: Layout) -> _Stripes:
    height = layout.segment_wh[1]
    segments: list[Segment] = [memoryview(data)[at : at + size] for at, size in layout.segments]
    if layout.compression is Compression.NONE:
        height = max(1, _STRIPE_BYTES // layout.row_bytes)
        segments = [part for segment in segments for part in _cut(segment, height * layout.row_bytes)]
    many = max(1, _STRIPE_BYTES // (height * layout.row_bytes))
    for first in range(0, len(segments), many):
        rows = min(many * height, layout.height - first * height)
        file = write_structure([(_tags(layout, rows, height), segments[first : first + many])], big=False)
        yield _decoded(file, (rows, layout.width, layout.samples))


def _cut(segment: Segment, size: int) -> Iterator[Segment]:
    return (segment[at : at + size] for at in range(0, len(segment), size))


def _tags(layout: Layout, rows: int, strip_height: int) -> dict[int, Entry]:
    tags: dict[int, Entry] = {
        256: (4, (layout.width,)),
        257: (4, (rows,)),
        258: (3, (layout.bits,) * layout.samples),
        259: (3, (layout.compression.value,)),
        262: (3, (layout.photometric.value,)),
        277: (3, (layout.samples,)),
        278: (4, (min(strip_height, rows),)),
        284: (3, (1,)),
    }
    if layout.predicted:
        tags[317] = (3, (2,))
    if layout.samples == 4:
        tags[338] = (3, (2,))
    return tags


def _decoded(file: bytes, shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.size != np.prod(shape):
        raise UnreadableImage("the output cannot be decoded")
    return pixels.reshape(shape)
