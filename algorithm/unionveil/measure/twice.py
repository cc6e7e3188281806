"""One look at a picture, read at two thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..boxes import unite_faces
from ..detections import Detections, RgbImage

if TYPE_CHECKING:  # models are loaded in workers alone
    from ..detect import Detector
    from ..detect.tiles import Detail

__all__ = ["look_twice"]


def look_twice(
    views: Sequence[RgbImage],
    detector: Detector,
    low: float,
    threshold: float,
    *,
    detail: Detail,
    mirror: bool,
) -> tuple[Detections, Detections]:
    """Boxes down to a low score, and those at a threshold: exactly what a run finds.

    The second are not a part of the first, since a box of a low score may stand for others when tiles are
    merged. The network runs once; the tiles are merged twice.

    Args:
        views: a frame as viewers may show it, each `(H, W, 3)` uint8, red first.
        detector: runs on each tile.
        low: lower of the two scores.
        threshold: higher of the two.
        detail: see `AnonymizeConfig.detail`.
        mirror: as `detect.tiles.find_faces`.
    """
    from ..detect.tiles import find_faces

    recorded = _Recorded(detector, low)
    faint = [find_faces(view, recorded, low, detail, mirror=mirror) for view in views]
    recorded.rewind()
    faces = [find_faces(view, recorded, threshold, detail, mirror=mirror) for view in views]
    return _united(faint), _united(faces)


def _united(parts: list[Detections]) -> Detections:
    return parts[0] if len(parts) == 1 else unite_faces(parts)


class _Recorded:
    """A detector that runs once per tile and can give its answers again, at another threshold.

    Scores of a tile do not depend on the threshold, so the answer at a threshold is the part of the answer at
    a lower one that reaches it.
    """

    def __init__(self, detector: Detector, low: float) -> None:
        self.card, self.fixed_wh = detector.card, detector.fixed_wh
        self._detector, self._low = detector, low
        self._answers: list[Detections] = []
        self._replay: Iterator[Detections] | None = None

    def rewind(self) -> None:
        """From now on the same tiles are asked for again, in the same order."""
        self._replay = iter(self._answers)

    def __call__(self, image: RgbImage, threshold: float, *, mirror: bool = False) -> Detections:
        if self._replay is None:
            self._answers.append(self._detector(image, self._low, mirror=mirror))
            return self._answers[-1]
        faces = next(self._replay)
        return faces[faces.score >= threshold]
