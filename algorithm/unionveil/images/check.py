"""The second line of defence: every output is decoded and compared before it is accepted.

Writers can fail silently: a patch that is not drawn, a frame that is left out, coefficients that do not fit
their Huffman table. OpenCV decodes the outputs of Pillow, libjpeg and our own writers, with its own builds of
libjpeg, libpng, libwebp and libavif and its own GIF reader. Pillow decodes BMP, and TIFF of up to 8 bits:
OpenCV misreads 1-bit palettes and rounds 16-bit pixels in its own way. Our own reader decodes the rest: HEIC,
inks, 16-bit grey TIFF, and images wider than 2^20 px.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import BoolArray
from ..errors import ImageError, OutputDiffers, UnsupportedImage
from ..formats import ImageFormat
from .colour import row_bands
from .picture import Colour, Frame, Patch, Patches, Picture, Pixels, paint, painted
from .pillow import opened, read_frames, to_frame
from .readers import decode

__all__ = ["check_output"]

_Levels: TypeAlias = npt.NDArray[np.float32]
"""`(rows, columns)`: mean grey level of each square cell, 0 to 255."""

_CELL_LEVELS = 32
"""Largest difference of a cell under a cover. JPEG at quality 10 reaches 20, GIF 18, everything 7 at quality
75."""

_LEAST_CELL_PX = 4
"""Side of the smallest cells for which that holds; of smaller ones, the mean of all is compared."""

_REVEALED, _CONTRAST = 0.5, 4
"""A cover has failed if this share of the original's contrast shows through it, unless it changes no more
than this many levels (root mean square). JPEG at quality 10 reaches .2."""

_TORN_LEVELS, _TORN_SHARE = 64, 0.02
"""A lossy output is torn if a larger share of the cells beside the covers differs by more levels than
this."""

_GROWN_PX = 32
"""How far around a cover an encoder may change a lossy image: two of JPEG's largest coding units."""

_BAND_PIXELS = 2**18
_CHANNELS = {1: Colour.GREY, 3: Colour.RGB, 4: Colour.RGBA}
_DIFFERS = "the output does not show the redacted picture; it was not kept. Please report the file's format"


@dataclass(frozen=True)
class _Look:
    """A decoded frame: `(H, W, C)` at 1/scale, the meaning of its channels, and whether blue comes first."""

    pixels: Pixels
    colour: Colour
    blue_first: bool = False
    scale: int = 1


def check_output(written: bytes, picture: Picture, patches: Patches) -> None:
    """Decodes an output and compares it with the picture and the patches that were drawn over it.

    Lossless formats must be equal in every opaque pixel. For lossy ones, the number and sizes of the frames,
    the mean of every cell under a cover and most of the rest are compared, at the smallest scale that shows
    the smallest cover.

    Args:
        written: the output.
        picture: as decoded from the input.
        patches: the patches drawn over each frame.

    Raises:
        OutputDiffers: the output does not decode, or shows something else.
    """
    _require(len(patches) == len(picture.frames))
    if picture.format.is_exact:
        _check_exactly(written, picture, patches)
    else:
        _check_nearly(written, picture, patches)


def _require(holds: bool) -> None:
    if not holds:
        raise OutputDiffers(_DIFFERS)


def _decode(written: bytes, picture: Picture, grey_scale: int | None = None) -> list[_Look]:
    """All frames by a second decoder, or by our own if no other can read them.

    Args:
        written: the output.
        picture: what it should show.
        grey_scale: decodes a JPEG as grey at 1/2, 1/4 or 1/8 of its size, which is faster.

    Raises:
        OutputDiffers: neither can decode it.
    """
    if picture.format is ImageFormat.AVIF:
        return _decode_by_dav1d(written)
    looks = []
    if _is_for_opencv(picture):
        with suppress(cv2.error):
            looks = _decode_by_opencv(np.frombuffer(written, np.uint8), picture, grey_scale)
    if looks:
        return looks
    try:
        again = decode(written, float("inf"))
    except ImageError as error:
        raise OutputDiffers(_DIFFERS) from error
    return [_Look(frame.pixels, frame.colour) for frame in again.frames]


def _is_shallow(picture: Picture) -> bool:
    return all(frame.white == 255 for frame in picture.frames)


def _is_for_opencv(picture: Picture) -> bool:
    others = (ImageFormat.BMP, ImageFormat.TIFF, ImageFormat.HEIC)
    return picture.format not in others and picture.frames[0].colour is not Colour.CMYK


def _decode_by_pillow(written: bytes, picture: Picture) -> list[_Look]:
    with opened(written, picture.format.name) as image:
        return [_Look(frame.pixels, frame.colour) for frame in read_frames(image)]


def _decode_by_dav1d(written: bytes) -> list[_Look]:
    """OpenCV's decoder is libaom, like every encoder's, and does not apply the orientation."""
    from .avif import decode_in_8_bits

    try:
        return [_Look(frame.pixels, frame.colour) for frame in decode_in_8_bits(written)]
    except Exception as error:
        raise OutputDiffers(_DIFFERS) from error


def _decode_by_opencv(buffer: npt.NDArray[np.uint8], picture: Picture, grey_scale: int | None) -> list[_Look]:
    unchanged = cv2.IMREAD_UNCHANGED
    decoded: Sequence[Any]
    match picture.format:
        case ImageFormat.JPEG:
            flags = _GREY_FLAGS[grey_scale] if grey_scale else cv2.IMREAD_COLOR
            decoded = [cv2.imdecode(buffer, flags | cv2.IMREAD_IGNORE_ORIENTATION)]
        case _ if len(picture.frames) > 1:
            animation = cv2.imdecodeanimation(buffer.reshape(1, -1))[1]
            # A PNG may hold a separate image for viewers without animation.
            still = [animation.still_image] if len(animation.frames) < len(picture.frames) else []
            decoded = [*still, *animation.frames]
        case _:
            decoded = [cv2.imdecode(buffer, unchanged)]
    if any(pixels is None for pixels in decoded):
        return []
    spread: list[Any] = [pixels.reshape(*pixels.shape[:2], -1) for pixels in decoded]
    scale = grey_scale or 1
    return [_Look(pixels, _CHANNELS[pixels.shape[2]], blue_first=True, scale=scale) for pixels in spread]


def _check_exactly(written: bytes, picture: Picture, patches: Patches) -> None:
    pages = _pages(written, picture)
    _require(len(pages) == len(picture.frames))
    with painted(picture.frames, patches):
        for frame, stripes in zip(picture.frames, pages, strict=True):
            _check_stripes(frame, stripes)


def _check_stripes(frame: Frame, stripes: Iterator[_Look]) -> None:
    top = 0
    try:
        for look in stripes:
            expected = frame.pixels[top : top + look.pixels.shape[0]]
            _require(expected.shape[:2] == look.pixels.shape[:2] and expected.dtype == look.pixels.dtype)
            _require(_same(_Look(expected, frame.colour), look))
            top += look.pixels.shape[0]
    except (ImageError, cv2.error) as error:
        raise OutputDiffers(_DIFFERS) from error
    _require(top == frame.pixels.shape[0])


def _pages(written: bytes, picture: Picture) -> Sequence[Iterator[_Look]]:
    """The rows of every frame, a few at a time.

    Raises:
        OutputDiffers: no decoder accepts the output.
    """
    from .stripes import png_stripes, tiff_stripes

    try:
        if picture.format is ImageFormat.PNG and (rows := png_stripes(written)) is not None:
            return [_looks(rows)]
        if _is_deep_colour_tiff(picture):
            return [_looks(page) for page in tiff_stripes(written)]
    except ImageError as error:
        raise OutputDiffers(_DIFFERS) from error
    if picture.format in (ImageFormat.BMP, ImageFormat.TIFF) and _is_shallow(picture):
        with suppress(OSError, UnsupportedImage):
            return _pages_by_pillow(written, picture)
    return [_sliced(look) for look in _decode(written, picture)]


def _pages_by_pillow(written: bytes, picture: Picture) -> Sequence[Iterator[_Look]]:
    """Rows of a single page on demand: Pillow already needs four bytes per pixel."""
    if len(picture.frames) > 1:
        return [_sliced(look) for look in _decode_by_pillow(written, picture)]
    with opened(written, picture.format.name) as image:
        _require(getattr(image, "n_frames", 1) == 1)
        image.load()
    width, height = image.size
    to_frame(image.crop((0, 0, 1, 1)))  # raises for an unsupported mode
    parts = (image.crop((0, rows.start, width, rows.stop)) for rows in row_bands((height, width)))
    return [(_Look(frame.pixels, frame.colour) for frame in map(to_frame, parts))]


def _is_deep_colour_tiff(picture: Picture) -> bool:
    return picture.format is ImageFormat.TIFF and all(
        frame.white > 255 and frame.colour in (Colour.RGB, Colour.RGBA) for frame in picture.frames
    )


def _looks(stripes: Iterator[Pixels]) -> Iterator[_Look]:
    return (_Look(pixels, _CHANNELS[pixels.shape[2]], blue_first=True) for pixels in stripes)


def _sliced(look: _Look) -> Iterator[_Look]:
    return (replace(look, pixels=look.pixels[rows]) for rows in row_bands(look.pixels.shape))


def _same(expected: _Look, shown: _Look) -> bool:
    """Whether all opaque pixels are equal. Decoders disagree about transparent ones; some alter them."""
    colours, others = np.broadcast_arrays(_colours(expected), _colours(shown))
    if not expected.colour.has_alpha:
        return np.array_equal(colours, others) and bool(_opaque(shown).all())
    opaque = _opaque(expected)
    return np.array_equal(colours[opaque], others[opaque]) and bool(_opaque(shown)[opaque].all())


def _colours(look: _Look) -> Pixels:
    """`(H, W, C)`: grey, RGB order, or inks."""
    match look.colour:
        case Colour.GREY | Colour.GREY_ALPHA:
            return look.pixels[..., :1]
        case Colour.CMYK:
            return look.pixels
        case _:
            return look.pixels[..., 2::-1] if look.blue_first else look.pixels[..., :3]


def _opaque(look: _Look) -> BoolArray:
    if not look.colour.has_alpha:
        return np.ones(look.pixels.shape[:2], bool)
    return np.asarray(look.pixels[..., -1] == np.iinfo(look.pixels.dtype).max, bool)


def _check_nearly(written: bytes, picture: Picture, patches: Patches) -> None:
    cell = _cell_px(chain.from_iterable(patches))
    if picture.format is ImageFormat.JPEG:
        # The fast path. It can fail for colours out of gamut, whose luma is not their grey level.
        with suppress(OutputDiffers):
            return _compare(_decode(written, picture, cell), picture, patches, cell)
    return _compare(_decode(written, picture), picture, patches, cell)


def _compare(looks: Sequence[_Look], picture: Picture, patches: Patches, cell: int) -> None:
    _require(len(looks) == len(picture.frames))
    for frame, some, look in zip(picture.frames, patches, looks, strict=True):
        width, height = frame.size_wh
        _require(look.pixels.shape[:2] == (-(-height // look.scale), -(-width // look.scale)))
        shown = _cells(look, cell // look.scale)[: height // cell, : width // cell]
        before = _cells_before(frame, cell)
        beside = _opaque_cells(frame, cell)
        laid = _Laid(frame, some)
        levels: dict[int, tuple[_Levels, _Levels]] = {}
        for patch in some:
            grown = [
                slice(max(0, side.start - _GROWN_PX) // cell, (side.stop + _GROWN_PX) // cell + 1)
                for side in (patch.rows, patch.columns)
            ]
            beside[tuple(grown)] = False
            own = _cell_px([patch])  # so that the smallest cover makes no noise count in the others
            if own not in levels:
                levels[own] = _coarser(shown, own // cell), _coarser(before, own // cell)
            _check_cover(laid, patch, *levels[own], own)
        torn = np.abs(shown - before)[beside] > _TORN_LEVELS
        _require(not torn.size or bool(torn.mean() <= _TORN_SHARE))


def _coarser(levels: _Levels, factor: int) -> _Levels:
    """The means of whole squares of factor x factor cells."""
    if factor == 1:
        return levels
    rows, columns = (length // factor for length in levels.shape)
    if not rows or not columns:
        return np.zeros((rows, columns), np.float32)
    whole = levels[: rows * factor, : columns * factor]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def _cells_before(frame: Frame, cell: int) -> _Levels:
    """Whole cells of a frame, from the smaller copy used for detection if it shows them."""
    if frame.scale > cell:
        return _cells(_Look(frame.pixels, frame.colour), cell)
    width, height = frame.size_wh
    return _cells(_Look(frame.look.pixels, frame.colour), cell // frame.scale)[
        : height // cell, : width // cell
    ]


def _opaque_cells(frame: Frame, side: int) -> BoolArray:
    """The cells whose colours matter: decoders disagree about those of transparent pixels."""
    if not frame.colour.has_alpha:
        return np.ones((frame.size_wh[1] // side, frame.size_wh[0] // side), bool)
    return np.asarray(_cells(_Look(frame.pixels[..., -1:], Colour.GREY), side) == 255, bool)


def _cell_px(patches: Iterable[Patch]) -> int:
    """Side of the cells to compare: the smallest cover contains at least 2 x 2 whole cells."""
    sides = [
        min(patch.rows.stop - patch.rows.start, patch.columns.stop - patch.columns.start) for patch in patches
    ]
    return next((cell for cell in (8, 4, 2) if min(sides, default=24) >= 3 * cell), 1)


def _cells(look: _Look, side: int) -> _Levels:
    """Mean grey levels of whole cells of side x side pixels; the remainder at the edges is left out."""
    rows, columns = look.pixels.shape[0] // side, look.pixels.shape[1] // side
    means = np.empty((rows, columns), np.float32)
    step = max(1, _BAND_PIXELS // max(1, side * look.pixels.shape[1]))
    for top in range(0, rows if columns else 0, step):
        bottom = min(top + step, rows)
        grey = _grey(replace(look, pixels=look.pixels[top * side : bottom * side, : columns * side]))
        means[top:bottom] = cv2.resize(grey, (columns, bottom - top), interpolation=cv2.INTER_AREA)
    return means


def _grey(look: _Look) -> npt.NDArray[np.uint8]:
    pixels = look.pixels if look.pixels.dtype == np.uint8 else (look.pixels >> 8).astype(np.uint8)
    match look.colour:
        case Colour.CMYK:
            return pixels.mean(axis=2).astype(np.uint8)
        case Colour.GREY | Colour.GREY_ALPHA:
            return pixels[..., 0].astype(np.uint8, copy=False)
        case _:
            code = cv2.COLOR_BGR2GRAY if look.blue_first else cv2.COLOR_RGB2GRAY
            return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), code), np.uint8)


class _Laid:
    """What a frame shows under its patches.

    Args:
        frame: the frame.
        patches: in drawing order.
    """

    def __init__(self, frame: Frame, patches: Sequence[Patch]) -> None:
        self._frame = frame
        self._patches = patches
        sides = [
            (patch.rows.start, patch.rows.stop, patch.columns.start, patch.columns.stop) for patch in patches
        ]
        self._sides = np.array(sides, np.int64).reshape(-1, 4).T
        self._one_colour: dict[bytes, _Levels] = {}

    def cells(self, rows: slice, columns: slice, cell: int) -> tuple[_Levels, BoolArray]:
        """Cells of an area in pixels of the frame, and whether each is entirely under a patch."""
        shape = rows.stop - rows.start, columns.stop - columns.start
        parts = self._parts(rows, columns)
        hiding = [number for number, part in enumerate(parts) if _hides(part, shape)]
        visible = parts[hiding[-1] if hiding else 0 :]
        if hiding and len(visible) == 1 and visible[0].has_one_colour:
            # One pixel of this colour stands for all of them.
            cells = shape[0] // cell, shape[1] // cell
            return np.broadcast_to(self._level(visible[0].pixels), cells), np.ones(cells, bool)
        return self._painted(visible, shape, cell)

    def _parts(self, rows: slice, columns: slice) -> list[Patch]:
        """The parts of all patches in an area. A crowd has hundreds of patches, of which few touch it."""
        top, bottom, left, right = self._sides
        near = (top < rows.stop) & (bottom > rows.start) & (left < columns.stop) & (right > columns.start)
        parts = (self._patches[number].within(rows, columns) for number in np.flatnonzero(near).tolist())
        return [part for part in parts if part]

    def _level(self, colour: Pixels) -> _Levels:
        """`(1, 1)`: the level of a cell of one colour, `(1, 1, C)`."""
        key = colour.tobytes()
        if key not in self._one_colour:
            one = Patch(slice(0, 1), slice(0, 1), colour)
            self._one_colour[key] = self._painted([one], (1, 1), 1)[0]
        return self._one_colour[key]

    def _painted(
        self, patches: Sequence[Patch], shape: tuple[int, int], cell: int
    ) -> tuple[_Levels, BoolArray]:
        """As `cells`, pixel by pixel, of an area `(h, w)` with patches in its coordinates."""
        # Pixels beside the patches do not matter: only whole cells under them are compared.
        colour = self._frame.colour
        pixels = np.zeros((*shape, colour.channels), self._frame.look.pixels.dtype)
        paint(pixels, colour, patches)
        covered = np.zeros(shape, bool)
        for patch in patches:
            covered[patch.rows, patch.columns] |= True if patch.mask is None else patch.mask
        means = _cells(_Look(pixels, colour), cell)
        whole = covered.reshape(means.shape[0], cell, means.shape[1], cell).all(axis=(1, 3))
        return means, np.asarray(whole, bool)


def _hides(patch: Patch, shape: tuple[int, int]) -> bool:
    """Whether a patch replaces all pixels of an area `(h, w)`."""
    return patch.mask is None and (patch.rows, patch.columns) == (slice(0, shape[0]), slice(0, shape[1]))


def _check_cover(laid: _Laid, patch: Patch, shown: _Levels, before: _Levels, cell: int) -> None:
    """Compares the whole cells under one patch with the expected ones, all patches of the frame applied."""
    rows, columns = (
        slice(-(-side.start // cell), min(side.stop // cell, limit))
        for side, limit in zip((patch.rows, patch.columns), shown.shape, strict=True)
    )
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    area = [slice(cells.start * cell, cells.stop * cell) for cells in (rows, columns)]
    expected, replaced = laid.cells(area[0], area[1], cell)
    error = (shown[rows, columns] - expected)[replaced]
    change = (before[rows, columns] - expected)[replaced]
    if not error.size:
        return
    # In cells of a few pixels, the noise of an encoder is larger than this limit.
    worst = np.abs(error).max() if cell >= _LEAST_CELL_PX else abs(error.mean())
    _require(float(worst) <= _CELL_LEVELS)
    # Encoder noise does not resemble the original; a face that shows through does.
    contrast = float(change @ change)
    if contrast > change.size * _CONTRAST**2:
        _require(float(error @ change) <= _REVEALED * contrast)


_GREY_FLAGS = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
