"""Optical flow between neighbouring frames, and detection of cuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import FloatArray
from .planes import Grey

__all__ = ["Field", "Motion", "Sketch", "looks_like", "move", "sketch"]

Field: TypeAlias = npt.NDArray[np.float16]
"""`(h, w, 2)` float16: for each pixel of a reduced frame, how far it moves to the other frame, in pixels. At
64 px, half precision is a 32nd of a pixel; it halves the memory of half a second."""

_INNER = 0.6
"""Share of a box, around its centre, in which motion is measured: the corners show the background."""

_MOST_SHIFT = 1.0
"""A box moves by at most its own size from one frame to the next; larger flow is wrong."""

_CUT_LEVELS = 18.0
_CUT_OVERLAP = 0.75
"""Two frames show different scenes if their 32 x 32 thumbnails differ by more levels of 255 on average, and
their histograms overlap by less. A missed cut means covers over half a second of the next scene; a false one
could expose a face, so both must agree."""


class Motion:
    """Computes flow; use one per video, since it keeps buffers."""

    def __init__(self) -> None:
        # Kroeger and others, "Fast optical flow using dense inverse search", ECCV 2016.
        create: Any = cv2.DISOpticalFlow_create  # type: ignore[attr-defined]  # missing in its stubs
        self._flow = create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, first: Grey, second: Grey) -> Field:
        """Where the pixels of the first frame are in the second, `(h, w, 2)`."""
        if min(first.shape) < _LEAST_PX:
            return np.zeros((*first.shape, 2), np.float16)
        return np.asarray(self._flow.calc(first, second, None), np.float16)


_LEAST_PX = 16
"""No flow is computed for smaller pictures; their boxes stay in place."""


def move(xyxy: FloatArray, field: Field, scale: float) -> FloatArray:
    """Carries boxes along a field.

    Args:
        xyxy: `(N, 4)` boxes in pixels of the frame.
        field: from this frame to the other.
        scale: pixels of the field per pixel of the frame.

    Returns:
        `(N, 4)` boxes in the other frame, of the same size, each shifted by the median of its inner part.
    """
    height, width = field.shape[:2]
    moved = xyxy.copy()
    for number, (x0, y0, x1, y1) in enumerate((xyxy * scale).tolist()):
        inset_x, inset_y = (x1 - x0) * (1 - _INNER) / 2, (y1 - y0) * (1 - _INNER) / 2
        left, right = _span(x0 + inset_x, x1 - inset_x, width)
        top, bottom = _span(y0 + inset_y, y1 - inset_y, height)
        part = field[top:bottom, left:right].reshape(-1, 2).astype(np.float32)
        shift = np.median(part, axis=0)
        most = _MOST_SHIFT * np.array([x1 - x0, y1 - y0], np.float32)
        moved[number] += np.tile(np.clip(shift, -most, most) / scale, 2)
    return moved


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    """Whole pixels between two positions, at least one, inside `[0, size)`."""
    start = min(max(int(low), 0), size - 1)
    return start, min(max(int(high) + 1, start + 1), size)


@dataclass(frozen=True)
class Sketch:
    """A summary of a frame, for comparing scenes.

    Attributes:
        thumbnail: `(32, 32)` float32 levels.
        histogram: `(32,)` float32, shares of levels.
    """

    thumbnail: FloatArray
    histogram: FloatArray


def sketch(grey: Grey) -> Sketch:
    """The sketch of a reduced frame."""
    thumbnail = np.asarray(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA), np.float32)
    histogram = np.bincount((grey >> 3).reshape(-1), minlength=32) / np.float32(grey.size)
    return Sketch(thumbnail, histogram.astype(np.float32))


def looks_like(first: Sketch, second: Sketch) -> bool:
    """Whether two frames may show the same scene."""
    levels = float(np.abs(first.thumbnail - second.thumbnail).mean())
    overlap = float(np.minimum(first.histogram, second.histogram).sum())
    return levels <= _CUT_LEVELS or overlap >= _CUT_OVERLAP
