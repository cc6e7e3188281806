"""What a viewer may show of a frame: every rendering that a detector must see.

A face that the raw samples hide can appear through a profile, without its alpha channel, without black ink
or after an exposure control is moved. Ordinary photos have one view.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import RgbImage
from .colour import ink_transforms, light_transforms, row_bands
from .picture import Colour, Frame, Pixels, Rendering

__all__ = ["rgb_views"]

_VISIBLE_LEVELS, _VISIBLE_PIXELS = 12, 64
"""Views differ visibly where so many pixels differ by more than so many levels: 8 x 8 px is the smallest face
that detectors find."""

_SAMPLE_PX = 256
"""Longest side of the grid of samples on which brightness is measured."""

_CELL_PX = 32
"""Side of a cell of that grid: an eighth of the picture."""

_FAINT_SHARE = 0.25
"""A picture whose samples span less of the scale is stretched."""

_UNLIT_SHARE = 1 / 20
"""A cell below this share of white is black to the eye, and to a detector."""


def rgb_views(frame: Frame, rendering: Rendering) -> Iterator[RgbImage]:
    """The renderings of one frame that differ visibly, as 8-bit RGB.

    First come the samples as they are. Then follow, where they show something else: the samples through
    profile, gamma, chromaticities and CICP; the blends over white and black, because a face can be drawn by
    the alpha channel alone; inks without black and in the other polarity; faint or unlit samples stretched
    to the whole scale; and the low bytes of 16-bit samples.

    Views are made one by one: a large picture fits into memory only a few times.

    Args:
        frame: pixels in their own depth and colours.
        rendering: what the file says about them.

    Yields:
        `(H, W, 3)` uint8, at least one.
    """
    views = _all_views(frame, rendering)
    first = latest = next(views)
    yield first
    for view in views:
        if _differs(view, first) and (latest is first or _differs(view, latest)):
            latest = view
            yield view


def _all_views(frame: Frame, rendering: Rendering) -> Iterator[RgbImage]:
    inks = frame.colour is Colour.CMYK
    for number, view in enumerate((_ink_views if inks else _light_views)(frame, rendering)):
        yield view
        # Samples of 16 bits are stretched with all their bits.
        if number or frame.white == 255:
            yield from _stretched(view)
    if frame.white > 255 and not inks:
        colours = frame.pixels[..., : _channels(frame)]
        yield from (_to_rgb(view) for view in _stretched(colours))
        if _structured(low := colours.astype(np.uint8)):
            yield _to_rgb(low)


def _channels(frame: Frame) -> int:
    return frame.colour.channels - frame.colour.has_alpha


def _light_views(frame: Frame, rendering: Rendering) -> Iterator[RgbImage]:
    colours = frame.pixels[..., : _channels(frame)]
    alpha = frame.pixels[..., -1] if frame.colour.has_alpha else None
    clear = alpha is not None and alpha.min() < frame.white
    view = _to_rgb(_top_bytes(colours))
    yield view
    if clear:
        yield from _blends(view, _top_bytes(frame.pixels[..., -1]))
    for transform in light_transforms(rendering, frame.colour):
        view = transform(_to_rgb(colours))
        yield view
        if clear:
            yield from _blends(view, _top_bytes(frame.pixels[..., -1]))


def _blends(view: RgbImage, alpha: npt.NDArray[np.uint8]) -> Iterator[RgbImage]:
    """A view over white and over black; over any other grey the blend lies between these two."""
    opacity = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
    black = np.asarray(cv2.multiply(view, opacity, scale=1 / 255), np.uint8)
    yield np.asarray(cv2.add(black, cv2.bitwise_not(opacity)), np.uint8)
    yield black


def _ink_views(frame: Frame, rendering: Rendering) -> Iterator[RgbImage]:
    """Inks to light, (1 - cmy) * (1 - k), enough to see a face; through the profile; without black.

    The other polarity, which programs take where a file does not say which it is, is the same of the
    complement.
    """
    light = _top_bytes(frame.pixels)
    light = np.asarray(cv2.bitwise_not(light), np.uint8)
    yield _printed(light)
    for transform in ink_transforms(rendering):
        yield transform(frame.pixels)
    yield np.ascontiguousarray(light[..., :3])
    inverse = np.asarray(cv2.bitwise_not(light), np.uint8)
    yield _printed(inverse)
    for transform in ink_transforms(rendering):
        yield transform(light)
    yield np.ascontiguousarray(inverse[..., :3])


def _printed(light: npt.NDArray[np.uint8]) -> RgbImage:
    black = cv2.cvtColor(np.ascontiguousarray(light[..., 3]), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(np.ascontiguousarray(light[..., :3]), black, scale=1 / 255), np.uint8)


def _top_bytes(pixels: Pixels) -> npt.NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return (pixels >> 8).astype(np.uint8)


def _to_rgb(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`(H, W, 1 or 3)` as `(H, W, 3)`, contiguous."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _stretched(pixels: Pixels) -> Iterator[npt.NDArray[np.uint8]]:
    """The samples that lie close together, or that are unlit, over the whole scale."""
    span = _faint_span(pixels)
    if span is None:
        return
    low, high = span
    levels = np.arange(np.iinfo(pixels.dtype).max + 1)
    table = ((levels - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
    view = np.empty(pixels.shape, np.uint8)
    for rows in row_bands(pixels.shape):
        view[rows] = table[pixels[rows]]
    yield view


def _faint_span(pixels: Pixels) -> tuple[float, float] | None:
    """Lowest and highest sample to stretch between; None for a picture that uses its scale.

    Percentiles, because single hot or dead pixels say nothing about the rest.
    """
    white = int(np.iinfo(pixels.dtype).max)
    step = max(1, -(-max(pixels.shape[:2]) // _SAMPLE_PX))
    samples = pixels[step // 2 :: step, step // 2 :: step].astype(np.float32).mean(axis=2)
    if not samples.size:
        samples = pixels.astype(np.float32).mean(axis=2)
    low, high = np.percentile(samples, (0.5, 99.5))
    if high - low < _FAINT_SHARE * white:
        return (low, high) if high - low >= 2 else None
    cells = _cells(samples)
    lows, highs = np.percentile(cells, (5, 95), axis=1)
    unlit = (highs < _UNLIT_SHARE * white) & (highs - lows >= 4)
    return (lows[unlit].min(), highs[unlit].max()) if unlit.any() else None


def _cells(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`(N, K)`: the samples of whole square cells; what is left at the right and below goes without."""
    rows, columns = (max(1, side // _CELL_PX) for side in samples.shape)
    height, width = min(samples.shape[0], _CELL_PX), min(samples.shape[1], _CELL_PX)
    whole = samples[: rows * height, : columns * width].reshape(rows, height, columns, width)
    return whole.swapaxes(1, 2).reshape(rows * columns, height * width)


def _structured(low: npt.NDArray[np.uint8]) -> bool:
    """Whether low bytes hold more than noise anywhere: neighbours there are alike, but not the same.

    The distance of two random bytes, the shorter way round, is 64 on average.
    """
    step = max(1, low.shape[0] // _SAMPLE_PX)
    rows = low[::step].mean(axis=2).astype(np.uint8) if low.shape[2] == 1 else low[::step, :, 1]
    distance = np.abs((rows[:, 1:] - rows[:, :-1]).view(np.int8).astype(np.float32))
    means = _cells(distance).mean(axis=1) if distance.size else np.zeros(1)
    return bool(((means > 0) & (means < 48)).any())


def _differs(view: RgbImage, other: RgbImage) -> bool:
    """Whether somebody, or a detector, would see a difference."""
    enough = min(_VISIBLE_PIXELS, -(-view.shape[0] * view.shape[1] // 4))
    count = 0
    for rows in row_bands(view.shape):
        most = cv2.absdiff(view[rows], other[rows]).max(axis=2)
        count += int(np.count_nonzero(most > _VISIBLE_LEVELS))
        if count >= enough:
            return True
    return False
