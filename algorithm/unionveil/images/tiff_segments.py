"""The segments of a TIFF's page: strips and tiles to rows of bytes and back.

All kinds of compression except JPEG and fax operate on bytes, not samples. A segment is therefore decoded as
an 8-bit grey image whose width is the number of bytes per row, and the meaning of the bytes is decided here,
never by a decoder.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import UnreadableImage, UnsupportedImage
from .coefficients import load
from .fax import check_fax
from .jpeg_markers import Model, head, parse
from .picture import Colour, Pixels
from .pillow import opened
from .tiff_layout import Compression, Layout, Photometric, read_layout
from .tiff_structure import Entry, read_structure, write_structure

__all__ = ["JpegDecoder", "Rows", "Segment", "compress", "read_rows"]

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_NAMES = {
    Compression.CCITT_RLE: "tiff_ccitt",
    Compression.CCITT_G3: "group3",
    Compression.CCITT_G4: "group4",
    Compression.LZW: "tiff_lzw",
    Compression.DEFLATE: "tiff_adobe_deflate",
    Compression.PACKBITS: "packbits",
    Compression.LZMA: "lzma",
    Compression.ZSTD: "zstd",
}
"""Pillow's names of the kinds it writes."""

_STRIP_BYTES = 1 << 20

_GROUP_BYTES = 4 << 20
"""Decompressed bytes of the strips processed at once: libtiff's rows are in memory three times."""


Segment: TypeAlias = bytes | memoryview


class JpegDecoder(Protocol):
    """Decodes the JPEGs in strips and tiles: see `coefficients.TurboJpeg`."""

    def decode(self, data: bytes, size_wh: tuple[int, int], colour: Colour) -> Pixels:
        """See `TurboJpeg.decode`."""


def read_rows(data: bytes, layout: Layout, order: str) -> Iterator[npt.NDArray[np.uint8]]:
    """The rows of a page, once per plane.

    Args:
        data: a whole file.
        layout: of the page.
        order: byte order of the file, `<` or `>`.

    Yields:
        `(H, bytes)` uint8 without predictor; rows of a tiled page end with its last column.

    Raises:
        UnreadableImage: a segment is damaged, or has fewer rows than it should.
        UnsupportedImage: libtiff was built without this compression.
    """
    per_plane = layout.across * layout.down
    for first in range(0, len(layout.segments), per_plane):
        places = layout.segments[first : first + per_plane]
        segments = [memoryview(data)[start : start + size] for start, size in places]
        if layout.compression is Compression.JPEG:
            rows = _decode_jpegs(segments, layout)
        else:
            rows = _decompress(segments, layout)
        if layout.predicted:
            _undo_predictor(rows, layout, order)
        yield _assembled(rows, layout) if layout.tiled else rows


def _total_rows(layout: Layout) -> int:
    """Rows of all segments of a plane, one below the other."""
    return layout.segment_wh[1] * layout.across * layout.down if layout.tiled else layout.height


def _decompress(segments: Sequence[Segment], layout: Layout) -> npt.NDArray[np.uint8]:
    if layout.reversed_bits:
        segments = [bytes(segment).translate(_REVERSED) for segment in segments]
    match layout.compression:
        case Compression.NONE:
            return _joined(segments, layout)
        case Compression.DEFLATE:
            return _joined(map(_inflate, segments, _sizes(layout)), layout)
        case _:
            return _by_libtiff(segments, layout)


def _by_libtiff(segments: Sequence[Segment], layout: Layout) -> npt.NDArray[np.uint8]:
    """Rows of segments, decoded in groups."""
    rows = np.empty((_total_rows(layout), layout.row_bytes), np.uint8)
    height = layout.segment_wh[1]
    many = max(1, _GROUP_BYTES // (height * layout.row_bytes))
    for first in range(0, len(segments), many):
        part = rows[first * height : (first + many) * height]
        part[...] = _decompress_by_libtiff(segments[first : first + many], layout, len(part))
    return rows


def _sizes(layout: Layout) -> list[int]:
    """Bytes that each segment of a plane holds."""
    rows = np.full(layout.across * layout.down, layout.segment_wh[1])
    if not layout.tiled:
        rows[-1] = layout.height - layout.segment_wh[1] * (layout.down - 1)
    return [int(count) * layout.row_bytes for count in rows]


def _joined(segments: Iterable[Segment], layout: Layout) -> npt.NDArray[np.uint8]:
    rows = np.empty((_total_rows(layout), layout.row_bytes), np.uint8)
    flat, position = rows.reshape(-1), 0
    for segment, size in zip(segments, _sizes(layout), strict=True):
        if len(segment) < size:
            raise UnreadableImage("the TIFF is cut off: a strip or tile has fewer rows than it should")
        flat[position : position + size] = np.frombuffer(segment, np.uint8, size)
        position += size
    return rows


def _inflate(segment: Segment, size: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(segment, size + 1)
    except zlib.error as error:
        raise UnreadableImage("the TIFF is damaged: a strip or tile cannot be decompressed") from error
    if len(raw) == size and not stream.eof:
        raise UnreadableImage("the TIFF is cut off inside a strip or tile")
    return raw


def _decompress_by_libtiff(segments: Sequence[Segment], layout: Layout, height: int) -> npt.NDArray[np.uint8]:
    """Some segments of a plane, `(height, bytes)`; only the last of a page may have fewer rows."""
    fax = layout.compression.fax
    width = layout.segment_wh[0] if fax else layout.row_bytes
    tags: dict[int, Entry] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (1 if fax else 8,)),
        259: (3, (layout.compression.value,)),
        262: (3, (1,)),
        277: (3, (1,)),
        278: (4, (layout.segment_wh[1],)),
    }
    if layout.compression is Compression.CCITT_G3:
        tags[292] = (4, (layout.t4_options,))
    try:
        with opened(write_structure([(tags, segments)], big=False), "TIFF") as image:
            image.load()
            rows = np.frombuffer(image.tobytes(), np.uint8) if fax else np.asarray(image)
    except KeyError as error:
        raise UnsupportedImage(f"this libtiff does not read {layout.compression.name}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableImage("the TIFF is damaged: a strip or tile cannot be decompressed") from error
    rows = rows.reshape(height, layout.row_bytes)
    if fax:
        _check_fax(rows, segments, layout)
    return rows


def _check_fax(rows: npt.NDArray[np.uint8], segments: Sequence[Segment], layout: Layout) -> None:
    """Refuses damaged fax data, which libtiff completes.

    If libtiff encodes the decoded rows to the same bits, the data are whole; this covers most files, and is
    fast.
    """
    again, _, _ = _compress_by_libtiff(rows, layout.compression, layout.segment_wh[0], layout.segment_wh[1])
    kind = layout.compression
    dimensions = {Compression.CCITT_G4: 2, Compression.CCITT_G3: 1 - (layout.t4_options & 1)}.get(kind, 1)
    most = layout.segment_wh[1]
    for number, (segment, copy) in enumerate(zip(segments, again, strict=True)):
        if bytes(segment[: len(copy)]) != copy:
            height = min(most, len(rows) - number * most)
            lines = kind is Compression.CCITT_G3
            check_fax(bytes(segment), layout.segment_wh[0], height, dimensions=dimensions, lines=lines)


def _decode_jpegs(segments: Sequence[Segment], layout: Layout) -> npt.NDArray[np.uint8]:
    decoder: JpegDecoder = load() or _without_libturbojpeg()
    rows = np.empty((_total_rows(layout), layout.row_bytes), np.uint8)
    position = 0
    for segment, size in zip(segments, _sizes(layout), strict=True):
        height = size // layout.row_bytes
        pixels = _decode_jpeg(bytes(segment), layout, decoder)
        if pixels.shape[0] < height or pixels.shape[1:] != (layout.segment_wh[0], layout.segment_samples):
            raise UnreadableImage("the TIFF is damaged: a JPEG in it has another size than its strip or tile")
        rows[position : position + height] = pixels[:height].reshape(height, -1)
        position += height
    return rows


def _without_libturbojpeg() -> JpegDecoder:
    from .jpeg_plain import PlainJpeg  # loads two more libraries

    return PlainJpeg()


def _decode_jpeg(segment: bytes, layout: Layout, decoder: JpegDecoder) -> Pixels:
    """One strip or tile, in the page's colours, regardless of its own markers."""
    if layout.segment_samples == 1:
        model, colour = Model.GREY, Colour.GREY
    elif layout.photometric is Photometric.CMYK:
        model, colour = Model.CMYK, Colour.CMYK
    else:
        model = Model.YCC if layout.photometric is Photometric.YCBCR else Model.RGB
        colour = Colour.RGB
    tables = layout.jpeg_tables[2:].removesuffix(b"\xff\xd9")
    jpeg = parse(head(model, adobe=True) + tables + _without_applications(segment))
    if jpeg.model is not model:
        raise UnreadableImage("the TIFF is damaged: a JPEG in it has other colours than its page")
    return decoder.decode(jpeg.data, jpeg.size_wh, colour)


def _without_applications(jpeg: bytes) -> bytes:
    """The data after the start marker, without application segments before the first scan."""
    parts, position = [], 2
    while jpeg[position : position + 1] == b"\xff" and jpeg[position + 1 : position + 2] != b"\xda":
        (size,) = struct.unpack_from(">H", jpeg, position + 2)
        if not 0xE0 <= jpeg[position + 1] <= 0xEF:
            parts.append(jpeg[position : position + 2 + size])
        position += 2 + size
    return b"".join([*parts, jpeg[position:]])


def _undo_predictor(rows: npt.NDArray[np.uint8], layout: Layout, order: str) -> None:
    """Sums differences along each row, in place (TIFF 6.0, section 14)."""
    dtype = np.dtype(np.uint8 if layout.bits == 8 else f"{order}u2")
    samples = rows.view(dtype).reshape(len(rows), layout.segment_wh[0], layout.segment_samples)
    for channel in range(layout.segment_samples):
        plane = samples[..., channel]
        plane[...] = np.cumsum(plane, axis=1, dtype=dtype.newbyteorder("="))


def _assembled(rows: npt.NDArray[np.uint8], layout: Layout) -> npt.NDArray[np.uint8]:
    """Tiles, one below the other, arranged side by side and cropped to the page."""
    width, height = layout.segment_wh
    if width * layout.segment_samples * layout.bits % 8:
        raise UnreadableImage("the TIFF is damaged: the rows of its tiles do not end at a byte")
    row_bytes = -(-layout.width * layout.segment_samples * layout.bits // 8)
    page = np.empty((layout.height, row_bytes), np.uint8)
    for number in range(layout.across * layout.down):
        tile = rows[number * height : (number + 1) * height]
        y, x = number // layout.across * height, number % layout.across * layout.row_bytes
        target = page[y : y + height, x : x + layout.row_bytes]
        target[...] = tile[: target.shape[0], : target.shape[1]]
    return page


Rows: TypeAlias = Callable[[slice], npt.NDArray[np.uint8]]
"""Rows of a page, produced on demand: `(h, bytes)` uint8."""


def compress(
    rows: Rows, shape: tuple[int, int], compression: Compression, width: int, strip_height: int | None = None
) -> tuple[list[Segment], int, int | None]:
    """Encodes rows as strips.

    Args:
        rows: of the page.
        shape: number of all rows, and bytes in each.
        compression: NONE, a kind of fax, or a kind that operates on bytes.
        width: pixels per row, for fax.
        strip_height: rows per strip; None lets the encoder decide.

    Returns:
        The strips, the rows in each, and the fax options.
    """
    height, row_bytes = shape
    if compression is Compression.NONE:
        return [np.ascontiguousarray(rows(slice(0, height))).reshape(-1).data], height, None
    if compression.fax:
        return _compress_by_libtiff(rows(slice(0, height)), compression, width, strip_height)
    # Strips are independent, so encoding a few at a time gives the same result.
    strip_height = max(1, _STRIP_BYTES // row_bytes)
    together = strip_height * max(1, _GROUP_BYTES // (strip_height * row_bytes))
    groups = [
        _compress_by_libtiff(rows(slice(top, min(top + together, height))), compression, width, None)
        for top in range(0, height, together)
    ]
    return [strip for strips, _, _ in groups for strip in strips], groups[0][1], None


def _compress_by_libtiff(
    rows: npt.NDArray[np.uint8], compression: Compression, width: int, strip_height: int | None
) -> tuple[list[Segment], int, int | None]:
    mode, size_wh = ("1", (width, len(rows))) if compression.fax else ("L", (rows.shape[1], len(rows)))
    image = Image.frombuffer(mode, size_wh, np.ascontiguousarray(rows), "raw", mode, 0, 1)
    out = io.BytesIO()
    strip_bytes = rows.nbytes if compression.fax else _STRIP_BYTES
    options = {} if strip_height is None else {"tiffinfo": {278: strip_height}}
    strip_size = max(strip_bytes, rows.shape[1])
    image.save(out, "TIFF", compression=_NAMES[compression], strip_size=strip_size, **options)
    data = out.getvalue()
    (tags,) = read_structure(data, {256, 257, 258, 259, 262, 273, 277, 278, 279, 292}, ()).pages
    layout = read_layout(tags, len(data))
    strips: list[Segment] = [memoryview(data)[at : at + size] for at, size in layout.segments]
    return strips, layout.segment_wh[1], layout.t4_options if 292 in tags else None
