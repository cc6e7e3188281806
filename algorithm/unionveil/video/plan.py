"""The result of the first pass: boxes and time stamps of every frame, but no pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..boxes import unite
from ..detections import Detections, Kind
from .rows import Rows

__all__ = ["Plan", "faces_in"]

_SAME_FACE_IOU = 0.4
"""Boxes of one chain in one frame, carried from both sides, are united if they overlap by more."""


@dataclass(frozen=True)
class Plan:
    """The boxes of a video.

    Attributes:
        rows: by frame, from `tracks.Tracker.finish`.
        pts: `(N,)` int64, time stamps of all frames.
        durations: `(N,)` int64, how long each is shown, in the same unit; 0 if unknown.
    """

    rows: Rows
    pts: npt.NDArray[np.int64]
    durations: npt.NDArray[np.int64]

    def faces(self) -> Iterator[Detections]:
        """The boxes to cover in each frame, in order; the `identity` of a person is the chain."""
        starts = np.searchsorted(self.rows["frame"], np.arange(len(self.pts) + 1))
        for start, stop in pairwise(starts.tolist()):
            yield faces_in(self.rows[start:stop])


def faces_in(rows: Rows) -> Detections:
    """The boxes to cover in one frame; those of a chain are united if they overlap.

    Args:
        rows: the rows of one frame.
    """
    rows = rows[~rows["visible"]]
    parts = []
    for track in np.unique(rows["track"]).tolist():
        own = rows[rows["track"] == track]
        boxes, kept = unite(own["xyxy"], own["score"], _SAME_FACE_IOU)
        kind = Kind(int(own["kind"][0]))
        faces = Detections.of(boxes, own["score"][kept], kind=kind)
        identity = np.full(len(faces), track if kind.is_person else -1, np.int32)
        parts.append(replace(faces, identity=identity))
    return Detections.concat(parts)
