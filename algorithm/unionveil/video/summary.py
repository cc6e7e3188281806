"""The faces of a video as a manifest records them: when each is visible, and some of its boxes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..detections import FloatArray, Kind
from ..outcomes import Track, TrackBox
from .plan import Plan, faces_in
from .rows import Rows

__all__ = ["BOXES_PER_SECOND", "kept_of", "tracks_of"]

BOXES_PER_SECOND = 2
"""Recorded boxes of a track, in addition to the first and the last."""


def tracks_of(plan: Plan, time_base: Fraction) -> tuple[Track, ...]:
    """Everything that is covered in a video.

    Args:
        plan: all boxes.
        time_base: seconds per unit of a time stamp.
    """
    rows = plan.rows[~plan.rows["visible"]]
    order = np.argsort(rows["track"], kind="stable")
    parts = np.split(rows[order], np.flatnonzero(np.diff(rows["track"][order])) + 1)
    seconds = plan.pts.astype(np.float64) * float(time_base)
    return tuple(_track(part, seconds) for part in parts if len(part))


def kept_of(plan: Plan) -> int:
    """The number of faces that stay visible in some frame."""
    return len(np.unique(plan.rows["track"][plan.rows["visible"]]))


def _track(rows: Rows, seconds: npt.NDArray[np.float64]) -> Track:
    """The summary of a chain.

    Args:
        rows: of the chain, by frame.
        seconds: of all frames.
    """
    best = rows[int(rows["score"].argmax())]
    kind = Kind(int(best["kind"]))
    steps = (seconds[rows["frame"]] * BOXES_PER_SECOND).astype(np.int64)
    chosen = np.append(True, np.diff(steps) > 0)
    chosen[-1] = True
    frames = np.unique(rows["frame"][chosen]).tolist()
    boxes = tuple(box for frame in frames for box in _covers(rows, frame))
    return Track(
        kind, boxes[0].frame, boxes[-1].frame, _box(best["frame"], best["xyxy"]), float(best["score"]), boxes
    )


def _covers(rows: Rows, frame: int) -> Iterator[TrackBox]:
    """The boxes of a chain in one frame as they are covered; mostly one."""
    first, last = np.searchsorted(rows["frame"], [frame, frame + 1])
    return (_box(frame, xyxy) for xyxy in faces_in(rows[first:last]).xyxy)


def _box(frame: int, xyxy: FloatArray) -> TrackBox:
    left, top, right, bottom = (float(value) for value in xyxy)
    return TrackBox(int(frame), (left, top, right, bottom))
