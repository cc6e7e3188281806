"""Checks by an output's pixels, without its original, that the claimed method was applied in every box.

Fills and overlays do not depend on what they cover: applied again, they must change nothing. The cells of a
mosaic must be flat. A blur leaves no detail: the covered part must not change if it is reduced to a few
pixels and enlarged again. Each format's coding determines the tolerances.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from ..config import AnonymizeConfig, Overlay, Pixelate
from ..detections import BoolArray, Detections
from ..images import Frame, paint
from ..redact import load_redactor, regions_of
from ..redact.mask import Region
from ..redact.pixelate import cell_edges

__all__ = ["Applied", "Coding", "applied"]

Applied = Literal["yes", "no", "unknown"]
"""Whether a cover is what its method produces; unknown if the overlay's picture is not available, or if drawn
faces hide nearly all of the cover."""

Coding = Literal["exact", "lossy", "video"]
"""How a format keeps pixels: all of them, or almost; a video's encoder works on several frames at once."""

_LEAST_FREE = 0.1
"""Least share of a cover that must be free of drawn faces for it to be judged."""

_EXACT_LEVELS, _CODED_LEVELS = 1.0, 24.0
"""Tolerance for a pixel of a cover, of 255. Lossy formats ring at a cover's edge; GIF uses the nearest colour
of its table."""

_CODED_SHARE, _OVERLAY_SHARE = 0.06, 0.35
"""Share of a cover's pixels that may differ by more: after lossy coding, and in an overlay, whose picture
moves by a fraction of a pixel when its box is rounded."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue (ITU-R BT.601)."""

_COLOUR_SIDE_PX = 32
"""Smaller overlays are compared by luma: lossy coding halves the resolution of their colours, which differed
by more in 38 % of the pixels of an honest one."""

_EDGE_PX = 1
"""Boxes in a manifest are rounded to a tenth of a pixel, which may move a cover's edge by one pixel."""

_BLUR_SIDE_PX = 5
"""A blur of strength 1 or more keeps no more detail than this many pixels hold (`redact.blur`)."""

_BLUR_LEVELS: dict[Coding, float] = {"exact": 14.0, "lossy": 18.2, "video": 5.0}
"""Largest root-mean-square difference between a blurred part and its reduction; faces differ by 20 to 60.
Video encoders remove detail: parts that they coded differed by 2.5 at most, averages of many faces by 6 to
17."""

_MEDIAN_LEVELS = 20.0
"""Largest root-mean-square difference that a second median makes in a part of a video. Medians keep the edges
of a head, which a reduction to a few pixels does not. Parts that were covered changed by 14 at most, bare
faces by 36 and more."""

_LEAST_SIDE_PX = 4
"""Smaller parts have no detail to check."""


def applied(
    frame: Frame,
    found: Detections,
    config: AnonymizeConfig,
    *,
    coding: Coding,
    above: Detections | None = None,
    drawn: BoolArray | None = None,
) -> list[Applied]:
    """Whether each box of a frame is covered by the method.

    Args:
        frame: of an output, decoded.
        found: boxes as in a manifest, best first.
        config: the settings that the manifest claims, with the redaction of these boxes.
        coding: how the output is coded.
        above: boxes of another redaction, whose covers lie on top of these.
        drawn: `(H, W)` pixels on which other faces may have been drawn; they are not compared with a fill or
            overlay below them.
    """
    if isinstance(config.redaction, Overlay) and config.redaction.picture.startswith("sha256:"):
        return ["unknown"] * len(found)
    over = [] if above is None else _regions(above, frame, config)
    regions = [_without(region, over) for region in _regions(found, frame, config)]
    if config.redaction.method == "median" and coding == "video":
        again = _again(frame, found, config)
        return [_is(_changes_little(frame, again, region)) for region in regions]
    if config.redaction.method in ("gaussian", "median", "bilateral", "average"):
        return [_is(_is_blurred(frame, region, coding=coding)) for region in regions]
    if isinstance(config.redaction, Pixelate):
        cells = config.redaction.cells
        return [
            _is(_has_flat_cells(frame, regions, place, cells, coding=coding)) for place in range(len(found))
        ]
    share = _OVERLAY_SHARE if isinstance(config.redaction, Overlay) else _share_of(coding=coding)
    again = _again(frame, found, config)
    free = None if drawn is None else ~drawn
    return [_is_same(frame, again, region, share, free) for region in regions]


def _again(frame: Frame, found: Detections, config: AnonymizeConfig) -> Frame:
    """A frame with the method applied once more."""
    again = Frame(frame.pixels.copy(), frame.colour)
    paint(again.pixels, again.colour, load_redactor(config)(frame, found))
    return again


def _is(holds: bool) -> Applied:
    return "yes" if holds else "no"


def _regions(found: Detections, frame: Frame, config: AnonymizeConfig) -> list[Region | None]:
    """The pixels of each cover; None for a box outside of the frame."""
    each = (regions_of(found[place : place + 1], frame.size_wh, config) for place in range(len(found)))
    return [regions[0] if regions else None for regions in each]


def _without(region: Region | None, over: Sequence[Region | None]) -> Region | None:
    """A region without the pixels under other covers."""
    if region is None or not over:
        return region
    rows, columns, inside = region
    free = ~_under(over, region)
    return rows, columns, free if inside is None else inside & free


def _levels(frame: Frame, rows: slice, columns: slice) -> npt.NDArray[np.float32]:
    """`(h, w, C)` colour channels of a part, 0 to 255."""
    channels = frame.colour.channels - frame.colour.has_alpha
    part = frame.pixels[rows, columns, :channels].astype(np.float32)
    return np.asarray(part * (255 / np.iinfo(frame.pixels.dtype).max), np.float32)


def _inner(region: Region) -> tuple[slice, slice, BoolArray]:
    """A region without its edge."""
    rows, columns, mask = region
    inside = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool) if mask is None else mask
    padded = np.pad(inside, _EDGE_PX).astype(np.uint8)
    shrunk = cv2.erode(padded, np.ones((2 * _EDGE_PX + 1, 2 * _EDGE_PX + 1), np.uint8))
    return rows, columns, shrunk[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX].astype(bool)


def _share_of(*, coding: Coding) -> float | None:
    """Share of a cover's pixels that coding may change; None if it may change none."""
    return None if coding == "exact" else _CODED_SHARE


def _is_same(
    frame: Frame, again: Frame, region: Region | None, share: float | None, free: BoolArray | None
) -> Applied:
    """Whether applying the method again changed nothing in a region, outside drawn faces."""
    if region is None:
        return "yes"
    rows, columns, inside = _inner(region)
    if free is not None:
        covered = int(inside.sum())
        inside = inside & free[rows, columns]
        if inside.sum() < _LEAST_FREE * covered:
            return "unknown"
    difference = _levels(frame, rows, columns) - _levels(again, rows, columns)
    if share == _OVERLAY_SHARE and difference.shape[2] == len(_LUMA) and min(inside.shape) < _COLOUR_SIDE_PX:
        changed = np.abs(difference @ _LUMA)
    else:
        changed = np.abs(difference).max(axis=2)
    return _is(_is_small(changed[inside], share))


def _is_small(difference: npt.NDArray[np.float32], share: float | None) -> bool:
    if not difference.size:
        return True
    if share is None:
        return bool(difference.max() <= _EXACT_LEVELS)
    return bool((difference > _CODED_LEVELS).mean() <= share)


def _has_flat_cells(
    frame: Frame, regions: Sequence[Region | None], place: int, cells: int, *, coding: Coding
) -> bool:
    """Whether each cell of a mosaic has one colour, except under covers of better faces."""
    region = regions[place]
    if region is None:
        return True
    rows, columns, inside = _inner(region)
    free = inside & ~_under(regions[:place], region)
    part = _levels(frame, rows, columns)
    height, width = part.shape[:2]
    row_edges, column_edges = cell_edges(height, width, cells)
    difference = np.zeros((height, width), np.float32)
    for top, bottom in pairwise(row_edges):
        for left, right in pairwise(column_edges):
            # One pixel at a cell's edge may belong to its neighbour.
            cell = np.s_[top + 1 : bottom - 1, left + 1 : right - 1]
            chosen = part[cell][free[cell]]
            if len(chosen):
                middle = np.median(chosen, axis=0)
                difference[cell] = np.where(free[cell], np.abs(part[cell] - middle).max(axis=2), 0)
    return _is_small(difference[free], _share_of(coding=coding))


def _under(others: Sequence[Region | None], region: Region) -> BoolArray:
    """Which pixels of a region lie under other covers."""
    rows, columns, _ = region
    under = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    for other in others:
        if other is None:
            continue
        y0, y1 = max(rows.start, other[0].start), min(rows.stop, other[0].stop)
        x0, x1 = max(columns.start, other[1].start), min(columns.stop, other[1].stop)
        if y0 < y1 and x0 < x1:
            under[y0 - rows.start : y1 - rows.start, x0 - columns.start : x1 - columns.start] = True
    return under


def _changes_little(frame: Frame, again: Frame, region: Region | None) -> bool:
    """Whether a second median changes a part by no more than it changes one that a median has covered."""
    if region is None:
        return True
    rows, columns, inside = _inner(region)
    if not inside.any():
        return True
    difference = _levels(frame, rows, columns) - _levels(again, rows, columns)
    return _root_mean_square(difference[inside]) <= _MEDIAN_LEVELS


def _root_mean_square(difference: npt.NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


def _is_blurred(frame: Frame, region: Region | None, *, coding: Coding) -> bool:
    """Whether a part has no more detail than a blur leaves."""
    if region is None:
        return True
    rows, columns, inside = _inner(region)
    part = _levels(frame, rows, columns)
    height, width = part.shape[:2]
    if min(height, width) < _LEAST_SIDE_PX or not inside.any():
        return True
    small = cv2.resize(part, (_BLUR_SIDE_PX, _BLUR_SIDE_PX), interpolation=cv2.INTER_AREA)
    rest = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(part.shape)
    return _root_mean_square((part - rest)[inside]) <= _BLUR_LEVELS[coding]
