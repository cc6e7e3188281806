"""The boxes of a video as rows of one array, and the final steps over whole chains."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..detections import BoolArray, FloatArray

__all__ = ["ROW", "RowList", "Rows", "complete_at_edges", "visible_rows"]

ROW = np.dtype(
    [
        ("frame", np.int32),
        ("track", np.int32),
        ("kind", np.uint8),
        ("xyxy", np.float32, (4,)),
        ("score", np.float32),
        ("visible", np.bool_),
    ]
)
"""A box in a frame. `kind` is the same for a whole chain, `score` is 0 if the box was carried, and `visible`
says whether it is to stay visible."""

Rows: TypeAlias = npt.NDArray[Any]
"""`(N,)` of `ROW`."""

_EDGE_PX = 2.0
"""A box that ends this close to an edge of the frame counts as cut by it."""

_FIRST_ROWS = 8


class RowList:
    """Rows that arrive one by one, at 30 bytes each: a list of tuples takes ten times as much memory."""

    def __init__(self) -> None:
        self._rows = np.zeros(_FIRST_ROWS, ROW)
        self._count = 0

    def append(
        self, frame: int, track: int, kind: int, xyxy: FloatArray, score: float, visible: bool
    ) -> None:
        """Adds a row; arguments are the fields of `ROW`."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._count] = frame, track, kind, xyxy, score, visible
        self._count += 1

    @property
    def rows(self) -> Rows:
        """All rows so far, copied."""
        result: Rows = self._rows[: self._count].copy()
        return result


def visible_rows(rows: Rows) -> BoolArray:
    """`(N,)`: whether each row stays visible.

    A carried box does only if the detections before and after it in its chain both do.

    Args:
        rows: by chain and frame.
    """
    is_found = rows["score"] > 0
    place = np.arange(len(rows))
    before = np.maximum.accumulate(np.where(is_found, place, -1))
    behind = np.minimum.accumulate(np.where(is_found, place, len(rows))[::-1])[::-1]
    padded = np.append(rows["visible"] & is_found, False)
    chain = np.append(rows["track"], -1)
    same = (chain[before] == rows["track"]) & (chain[behind] == rows["track"])
    return np.asarray(same & padded[before] & padded[behind])


def complete_at_edges(
    rows: Rows, seconds: npt.NDArray[np.float64], size_wh: tuple[int, int], reach_seconds: float
) -> None:
    """Extends boxes that an edge of the frame cuts to the size of their chain's largest nearby box, in place.

    The visible part of a face that enters or leaves the frame is lower, or narrower, than the face.

    Args:
        rows: `(R,)` boxes of `ROW`, sorted by chain and frame.
        seconds: `(F,)`, of all frames.
        size_wh: width and height of the frames.
        reach_seconds: boxes of the chain within this time are nearby.
    """
    starts = np.flatnonzero(np.diff(rows["track"], prepend=-1, append=-1))
    for first, last in pairwise(starts.tolist()):
        chain = rows["xyxy"][first:last].copy()
        times = seconds[rows["frame"][first:last]]
        sides = chain[:, 2:] - chain[:, :2]
        is_cut = (chain[:, :2] <= _EDGE_PX) | (chain[:, 2:] >= np.asarray(size_wh) - _EDGE_PX)
        for place in np.flatnonzero(is_cut.any(axis=1)).tolist():
            low, high = np.searchsorted(times, times[place] + np.array([-reach_seconds, reach_seconds]))
            largest = sides[low : max(int(high), place + 1)].max(axis=0)
            for axis in (0, 1):
                if is_cut[place, 1 - axis]:
                    centre = chain[place, [axis, axis + 2]].mean()
                    rows["xyxy"][first + place, axis] = centre - largest[axis] / 2
                    rows["xyxy"][first + place, axis + 2] = centre + largest[axis] / 2
