"""Which pixels are covered: a box with its margin, or the ellipse around it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from ..boxes import cover_boxes, cover_pixels
from ..detections import BoolArray, Detections, FloatArray

__all__ = ["Outline", "Region", "cover"]

Region: TypeAlias = tuple[slice, slice, BoolArray | None]
"""Rows, columns, and which of their pixels are covered, `(h, w)`; None means all of them."""


Outline: TypeAlias = Literal["box", "ellipse"]


def cover(
    found: Detections, size_wh: tuple[int, int], shape: Outline, margin: float, text_margin: float
) -> list[Region]:
    """Covered pixels of every detection, in order; one outside the picture has none.

    The ellipse is the one through the corners of the box with its margin (semi-axes width / sqrt 2 and height
    / sqrt 2), so it covers all of the box. A pixel is covered if any part of it is inside. Lines of text are
    always boxes.

    Args:
        found: in pixels of the picture.
        size_wh: width and height of the picture.
        shape: outline of faces and heads.
        margin: growth of faces and heads, as a share of the box's width and height; see `boxes.expand`.
        text_margin: growth of lines of text; see `boxes.expand_evenly`.
    """
    boxes = cover_boxes(found, margin, text_margin)
    round_ones = found.is_person & (shape == "ellipse")
    centre, radius = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / np.sqrt(2)
    ellipses = np.concatenate([centre - radius, centre + radius], axis=1)
    outer = np.where(round_ones[:, None], ellipses, boxes)
    regions = []
    pixels = cover_pixels(outer, size_wh).tolist()
    for box, is_round, (x0, y0, x1, y1) in zip(boxes, round_ones.tolist(), pixels, strict=True):
        if x0 >= x1 or y0 >= y1:
            continue
        mask = _ellipse(box, (x0, y0, x1, y1)) if is_round else None
        regions.append((slice(y0, y1), slice(x0, x1), mask))
    return regions


def _ellipse(box: FloatArray, region: tuple[int, int, int, int]) -> BoolArray:
    x0, y0, x1, y1 = region
    centre = (box[:2].astype(np.float64) + box[2:]) / 2
    radius = np.maximum((box[2:].astype(np.float64) - box[:2]) / np.sqrt(2), 1e-6)
    # The point of each pixel's square that is closest to the centre decides.
    x, y = np.arange(x0, x1), np.arange(y0, y1)
    near_x = (np.clip(centre[0], x, x + 1) - centre[0]) / radius[0]
    near_y = (np.clip(centre[1], y, y + 1) - centre[1]) / radius[1]
    # Slightly more than 1: the corners of the box are on the ellipse and must not be lost to rounding.
    return near_x[None, :] ** 2 + near_y[:, None] ** 2 <= 1 + 1e-6
