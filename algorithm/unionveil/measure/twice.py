"""Runs a detector once over a picture and evaluates it at two thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..boxes import unite_faces
from ..detections import Detections, RgbImage

if TYPE_CHECKING:  # only workers load models
    from ..detect import Detector
    from ..detect.detector import Detail

__all__ = ["detect_twice"]


def detect_twice(
    views: Sequence[RgbImage],
    detector: Detector,
    low: float,
    threshold: float,
    *,
    detail: Detail,
    mirror: bool,
) -> tuple[Detections, Detections]:
    """Boxes down to a low score, and those at a threshold, which are exactly what a run finds.

    The second are not simply a part of the first: a box with a low score may replace others when tiles are
    merged. So the network runs once, but tiles are merged twice.

    Args:
        views: a frame as viewers may show it, each `(H, W, 3)` uint8, RGB.
        detector: runs on each tile.
        low: lower of the two scores.
        threshold: higher of the two.
        detail: see `AnonymizeConfig.detail`.
        mirror: as `detect.tiles.find_faces`.
    """
    from ..detect.tiles import find_faces

    recorded = _Recorded(detector)
    faint = [find_faces(view, recorded, low, detail, mirror=mirror) for view in views]
    recorded.rewind()
    faces = [find_faces(view, recorded, threshold, detail, mirror=mirror) for view in views]
    return _united(faint), _united(faces)


def _united(parts: list[Detections]) -> Detections:
    return parts[0] if len(parts) == 1 else unite_faces(parts)


class _Recorded:
    """A detector that runs once per tile and can repeat its results at higher thresholds.

    Scores in a tile do not depend on the threshold, so the boxes at a threshold are those at a lower one that
    reach it. Half of the largest size is searched at a much lower threshold than the others, both times.
    """

    def __init__(self, detector: Detector) -> None:
        self.card, self.fixed_wh, self.glimpses = detector.card, detector.fixed_wh, detector.glimpses
        self._detector = detector
        self._answers: list[Detections] = []
        self._replay: Iterator[Detections] | None = None

    def rewind(self) -> None:
        """Starts again: the next calls are for the same tiles in the same order."""
        self._replay = iter(self._answers)

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:
        if self._replay is None:
            self._answers.append(self._detector(image, threshold, mirror=mirror))
            return self._answers[-1]
        faces = next(self._replay)
        return faces[faces.score >= threshold]
