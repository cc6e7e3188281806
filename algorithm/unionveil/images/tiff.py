"""TIFF: all pages are decoded by layouts that are checked first, and always re-encoded.

Bit depth, palette, photometric interpretation and the kind of compression are kept; JPEG becomes Deflate,
since the output is exact. Strips, tiles and planes become strips of whole pixels, and only tags that the
pixels need are written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImage
from ..formats import ImageFormat
from .icc import clean_profile
from .orientation import swaps_axes, upright
from .picture import Colour, Frame, Picture, Rendering, writer
from .pillow import check_size, opened, to_frame
from .tiff_layout import OPAQUE, WANTED, Compression, Layout, Photometric, read_layout
from .tiff_pixels import Stored, to_pixels, to_stored
from .tiff_segments import Segment, compress, read_rows
from .tiff_structure import Entry, Tiff, read_structure, write_structure

__all__ = ["read"]

_SHORT, _LONG, _RATIONAL, _UNDEFINED = 3, 4, 5, 7
_ALPHA, _INCH, _CONTIGUOUS, _DIFFERENCES = 2, 2, 1, 2


@dataclass(frozen=True)
class _Coding:
    """The properties that an output takes from its input.

    Attributes:
        layouts: of each page.
        big: whether it is a BigTIFF.
    """

    layouts: tuple[Layout, ...]
    big: bool


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes all pages of a TIFF; see `images.decode`."""
    tiff = read_structure(data, WANTED, OPAQUE)
    layouts = tuple(read_layout(tags, len(data)) for tags in tiff.pages)
    check_size((sum(layout.stored_wh[0] * layout.stored_wh[1] for layout in layouts), 1), 1, max_pixels)
    frames = tuple(_read_page(data, tiff, number, layout) for number, layout in enumerate(layouts))
    write = writer(frames, partial(_encode, coding=_Coding(layouts, tiff.big)))
    return Picture(ImageFormat.TIFF, frames, write, frames[0].rendering or Rendering())


def _read_page(data: bytes, tiff: Tiff, number: int, layout: Layout) -> Frame:
    frame = _decode_page(data, tiff, number, layout)
    return replace(frame, rendering=_rendering(layout, frame.colour))


def _decode_page(data: bytes, tiff: Tiff, number: int, layout: Layout) -> Frame:
    if layout.compression is Compression.OLD_JPEG or (
        layout.photometric is Photometric.YCBCR and layout.compression is not Compression.JPEG
    ):
        return _read_by_libtiff(data, number, layout)
    pixels, colour = to_pixels(read_rows(data, layout, tiff.order), layout, tiff.order)
    return Frame(upright(pixels, layout.orientation), colour)


def _read_by_libtiff(data: bytes, number: int, layout: Layout) -> Frame:
    """A page in YCbCr outside JPEG, or in the JPEG of TIFF 6.0, which technical note 2 replaced."""
    with opened(data, "TIFF") as image:
        image.seek(number)
        image.load()  # Pillow turns pages of a TIFF upright
        frame = to_frame(image)
    size_wh = (layout.width, layout.height)
    if frame.size_wh != (size_wh[::-1] if swaps_axes(layout.orientation) else size_wh):
        raise UnreadableImage("the TIFF is damaged: a page has two sizes")
    return frame


def _rendering(layout: Layout, colour: Colour) -> Rendering:
    channels = colour.channels - colour.has_alpha
    density = layout.density_xy
    if density and swaps_axes(layout.orientation):
        density = density[::-1]
    return Rendering(icc=clean_profile(layout.icc, channels) if layout.icc else None, density_xy=density)


def _encode(frames: tuple[Frame, ...], coding: _Coding) -> bytes:
    """Encodes all pages."""
    pages = [_page(*page) for page in zip(frames, coding.layouts, strict=True)]
    return write_structure(pages, big=coding.big)


def _page(frame: Frame, like: Layout) -> tuple[dict[int, Entry], list[Segment]]:
    """Tags and strips of one page."""
    stored = to_stored(frame.pixels, frame.colour, like)
    compression = _compression(like.compression, stored)
    predicted = _predicts(like, stored, compression)
    rows = partial(_differences, stored) if predicted else stored.rows
    width, height = frame.size_wh
    strips, strip_height, fax_options = compress(rows, stored.shape, compression, width)
    tags: dict[int, Entry] = {
        256: (_LONG, (width,)),
        257: (_LONG, (height,)),
        258: (_SHORT, (stored.bits,) * stored.samples),
        259: (_SHORT, (compression.value,)),
        262: (_SHORT, (stored.photometric.value,)),
        277: (_SHORT, (stored.samples,)),
        278: (_LONG, (strip_height,)),
        284: (_SHORT, (_CONTIGUOUS,)),
    }
    if predicted:
        tags[317] = (_SHORT, (_DIFFERENCES,))
    if fax_options is not None:
        tags[292] = (_LONG, (fax_options,))
    if stored.colour_map:
        tags[320] = (_SHORT, stored.colour_map)
    if frame.colour.has_alpha:
        tags[338] = (_SHORT, (_ALPHA,))
    return tags | _rendering_tags(frame.rendering or Rendering()), strips


def _compression(kind: Compression, stored: Stored) -> Compression:
    """The input's compression; Deflate instead of JPEG, and of fax if a cover needs more than one bit."""
    if kind in (Compression.JPEG, Compression.OLD_JPEG) or (kind.fax and stored.bits > 1):
        return Compression.DEFLATE
    return kind


def _predicts(like: Layout, stored: Stored, compression: Compression) -> bool:
    wanted = like.predicted or like.compression in (Compression.JPEG, Compression.OLD_JPEG)
    indexed = stored.photometric is Photometric.PALETTE
    return wanted and compression.predicts and stored.bits >= 8 and not indexed


def _differences(stored: Stored, band: slice) -> npt.NDArray[np.uint8]:
    """Samples of some rows as differences to their left neighbours (TIFF 6.0, section 14)."""
    rows = stored.rows(band)
    samples = rows.view(np.uint8 if stored.bits == 8 else "<u2").reshape(len(rows), -1, stored.samples)
    differences = samples.copy()
    differences[:, 1:] -= samples[:, :-1]
    return differences.view(np.uint8).reshape(rows.shape)


def _rendering_tags(rendering: Rendering) -> dict[int, Entry]:
    tags: dict[int, Entry] = {}
    if rendering.density_xy is not None:
        x, y = (Fraction(value * 0.0254).limit_denominator(10_000) for value in rendering.density_xy)
        tags |= {282: (_RATIONAL, (x,)), 283: (_RATIONAL, (y,)), 296: (_SHORT, (_INCH,))}
    if rendering.icc is not None:
        tags[34675] = (_UNDEFINED, rendering.icc)
    return tags
