"""The views of a frame: every rendering by a viewer that a detector must see.

A face hidden in the raw samples can appear through a profile, without the alpha channel, without black ink
or after moving an exposure control. Ordinary photos have one view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import RgbImage
from .colour import Transform, ink_transforms, light_transforms, row_bands
from .picture import Colour, Frame, Pixels, Rendering

__all__ = ["rgb_views"]

_VISIBLE_LEVELS, _VISIBLE_PIXELS = 12, 64
"""Views differ visibly if this many pixels differ by more than this many levels: 8 x 8 px is the smallest
face that detectors find."""

_SAMPLE_PX = 256
"""Longest side of the grid of samples on which brightness is measured."""

_CELL_PX = 32
"""Side of a cell of that grid: an eighth of the picture."""

_FAINT_SHARE = 0.25
"""A picture whose samples span less of the scale than this is stretched."""

_UNLIT_SHARE = 1 / 20
"""A cell below this share of white is black to the eye, and to a detector."""


_View: TypeAlias = Callable[[slice], RgbImage]
"""Rows of a frame, perhaps with a step, to `(h, W, 3)` uint8. A large picture fits into memory only a few
times, so views are compared row by row, and only those that are yielded are computed as a whole."""


def rgb_views(frame: Frame, rendering: Rendering) -> Iterator[RgbImage]:
    """The renderings of one frame that differ visibly, as 8-bit RGB.

    The first are the samples unchanged. Then follow, if they show something else: the samples through
    profile, gamma, chromaticities and CICP; the blends over white and black, because the alpha channel alone
    can draw a face; inks without black and in the other polarity; faint or dark samples stretched to the
    whole scale; and the low bytes of 16-bit samples.

    Views are computed one by one; a caller that drops one before requesting the next never holds two.

    Args:
        frame: pixels in their own depth and colours.
        rendering: the file's description of them.

    Yields:
        `(H, W, 3)` uint8, at least one. The first of an 8-bit RGB frame is the frame's own array.
    """
    shape = frame.pixels.shape
    views = _all_views(frame, rendering)
    first = latest = next(views)
    if frame.colour is Colour.RGB and frame.white == 255:
        yield np.ascontiguousarray(frame.pixels, np.uint8)
    else:
        yield _whole(first, shape)
    for view in views:
        if _differs(view, first, shape) and (latest is first or _differs(view, latest, shape)):
            latest = view
            yield _whole(view, shape)


def _whole(view: _View, shape: tuple[int, ...]) -> RgbImage:
    whole = np.empty((*shape[:2], 3), np.uint8)
    for rows in row_bands(shape):
        whole[rows] = view(rows)
    return whole


def _all_views(frame: Frame, rendering: Rendering) -> Iterator[_View]:
    inks = frame.colour is Colour.CMYK
    shape = frame.pixels.shape
    for number, view in enumerate((_ink_views if inks else _light_views)(frame, rendering)):
        yield view
        # 16-bit samples are stretched at full precision.
        if number or frame.white == 255:
            yield from _stretched(view, shape, 255)
    if frame.white > 255 and not inks:
        colours = frame.pixels[..., : _channels(frame)]
        yield from _stretched(lambda rows: colours[rows], shape, frame.white)
        if _structured(colours):
            yield lambda rows: _to_rgb(colours[rows].astype(np.uint8))


def _channels(frame: Frame) -> int:
    return frame.colour.channels - frame.colour.has_alpha


def _light_views(frame: Frame, rendering: Rendering) -> Iterator[_View]:
    colours = frame.pixels[..., : _channels(frame)]
    clear = frame.colour.has_alpha and int(frame.pixels[..., -1].min()) < frame.white

    def plain(rows: slice) -> RgbImage:
        return _to_rgb(_top_bytes(colours[rows]))

    yield plain
    if clear:
        yield from _blends(plain, frame)
    for transform in light_transforms(rendering, frame.colour):
        shown = partial(_transformed, transform, colours)
        yield shown
        if clear:
            yield from _blends(shown, frame)


def _transformed(transform: Transform, colours: Pixels, rows: slice) -> RgbImage:
    return transform(_to_rgb(colours[rows]))


def _blends(view: _View, frame: Frame) -> Iterator[_View]:
    """A view over white and over black; the blend over any other grey is between these two."""

    def over_black(rows: slice) -> tuple[RgbImage, RgbImage]:
        alpha = np.ascontiguousarray(_top_bytes(frame.pixels[rows, :, -1]))
        opacity = np.asarray(cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), np.uint8)
        return np.asarray(cv2.multiply(view(rows), opacity, scale=1 / 255), np.uint8), opacity

    def over_white(rows: slice) -> RgbImage:
        black, opacity = over_black(rows)
        return np.asarray(cv2.add(black, cv2.bitwise_not(opacity)), np.uint8)

    yield over_white
    yield lambda rows: over_black(rows)[0]


def _ink_views(frame: Frame, rendering: Rendering) -> Iterator[_View]:
    """Inks to light, (1 - cmy) * (1 - k), enough to see a face; through the profile; without black.

    Programs assume the other polarity if a file does not specify it; that view is the same function of the
    complement.
    """
    inks = frame.pixels

    def light(rows: slice) -> npt.NDArray[np.uint8]:
        return np.asarray(cv2.bitwise_not(_top_bytes(inks[rows])), np.uint8)

    def inverse(rows: slice) -> npt.NDArray[np.uint8]:
        return np.asarray(cv2.bitwise_not(light(rows)), np.uint8)

    yield lambda rows: _printed(light(rows))
    for transform in ink_transforms(rendering):
        yield partial(_through, transform, lambda rows: inks[rows])
    yield lambda rows: np.ascontiguousarray(light(rows)[..., :3])
    yield lambda rows: _printed(inverse(rows))
    for transform in ink_transforms(rendering):
        yield partial(_through, transform, light)
    yield lambda rows: np.ascontiguousarray(inverse(rows)[..., :3])


def _through(transform: Transform, inks: Callable[[slice], Pixels], rows: slice) -> RgbImage:
    return transform(inks(rows))


def _printed(light: npt.NDArray[np.uint8]) -> RgbImage:
    black = cv2.cvtColor(np.ascontiguousarray(light[..., 3]), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(np.ascontiguousarray(light[..., :3]), black, scale=1 / 255), np.uint8)


def _top_bytes(pixels: Pixels) -> npt.NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return (pixels >> 8).astype(np.uint8)


def _to_rgb(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`(h, W, 1 or 3)` as `(h, W, 3)`, contiguous."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _stretched(samples: Callable[[slice], Pixels], shape: tuple[int, ...], white: int) -> Iterator[_View]:
    """Samples with a narrow range, or dark ones, stretched to the whole scale.

    Args:
        samples: rows to `(h, W, 1 or 3)`.
        shape: of the frame.
        white: largest value of a sample.
    """
    span = _faint_span(samples, shape, white)
    if span is None:
        return
    low, high = span
    levels = np.arange(white + 1)
    table = ((levels - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
    yield lambda rows: _to_rgb(table[samples(rows)])


def _faint_span(
    pixels: Callable[[slice], Pixels], shape: tuple[int, ...], white: int
) -> tuple[float, float] | None:
    """Lowest and highest sample to stretch between; None for a picture that uses the whole scale.

    Percentiles, because single hot or dead pixels are not representative.
    """
    step = max(1, -(-max(shape[:2]) // _SAMPLE_PX))
    # The short side of a very long picture is sampled completely.
    rows, columns = (slice(step // 2, None, step) if step // 2 < side else slice(None) for side in shape[:2])
    colours = pixels(rows)[:, columns].astype(np.float32)
    samples = colours @ np.full(colours.shape[2], 1 / colours.shape[2], np.float32)
    low, high = _quantiles(samples.ravel(), (0.005, 0.995))
    if high - low < _FAINT_SHARE * white:
        return (low, high) if high - low >= 2 else None
    cells = _cells(samples)
    lows, highs = _quantiles(cells, (0.05, 0.95))
    unlit = (highs < _UNLIT_SHARE * white) & (highs - lows >= 4)
    return (lows[unlit].min(), highs[unlit].max()) if unlit.any() else None


def _quantiles(samples: npt.NDArray[np.float32], shares: Sequence[float]) -> npt.NDArray[np.float64]:
    """Quantiles of `(..., N)` samples, `(Q, ...)`, linear between two samples as in `np.quantile`.

    That takes three times as long, for every photo.
    """
    ordered = np.sort(samples, axis=-1)
    place = np.asarray(shares) * (ordered.shape[-1] - 1)
    below, above = np.floor(place).astype(int), np.ceil(place).astype(int)
    found = ordered[..., below] + (ordered[..., above] - ordered[..., below]) * (place - below)
    return np.asarray(np.moveaxis(found, -1, 0), np.float64)


def _cells(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`(N, K)`: the samples of whole square cells; the remainder at the right and bottom is ignored."""
    rows, columns = (max(1, side // _CELL_PX) for side in samples.shape)
    height, width = min(samples.shape[0], _CELL_PX), min(samples.shape[1], _CELL_PX)
    whole = samples[: rows * height, : columns * width].reshape(rows, height, columns, width)
    return whole.swapaxes(1, 2).reshape(rows * columns, height * width)


def _structured(pixels: Pixels) -> bool:
    """Whether the low bytes of 16 bits hold more than noise: neighbours are similar, but not equal.

    The circular distance of two random bytes is 64 on average.
    """
    step = max(1, pixels.shape[0] // _SAMPLE_PX)
    rows = pixels[::step, :, min(1, pixels.shape[2] - 1)].astype(np.uint8)
    distance = np.abs((rows[:, 1:] - rows[:, :-1]).view(np.int8).astype(np.float32))
    means = _cells(distance).mean(axis=1) if distance.size else np.zeros(1)
    return bool(((means > 0) & (means < 48)).any())


def _differs(view: _View, other: _View, shape: tuple[int, ...]) -> bool:
    """Whether a viewer, or a detector, would see a difference."""
    enough = min(_VISIBLE_PIXELS, -(-shape[0] * shape[1] // 4))
    count = 0
    for rows in row_bands(shape):
        most = cv2.absdiff(view(rows), other(rows)).max(axis=2)
        count += int(np.count_nonzero(most > _VISIBLE_LEVELS))
        if count >= enough:
            return True
    return False
