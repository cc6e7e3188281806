"""Looks for faces that an output still shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..boxes import iou, unite_faces
from ..config import AnonymizeConfig
from ..detections import BoolArray, Detections, FloatArray, RgbImage
from .drawn import SAME_FACE_IOU
from .exempt import size_may_stay
from .finding import Finding

if TYPE_CHECKING:  # only workers load codecs and models
    from ..detect import Detector
    from ..images import Frame, Rendering

__all__ = ["UNDER_COVER", "Residual", "box_text", "faces_left", "overlaps_any"]

_SURE_SCORE = 0.92
"""From this score on, a single network is believed; a Haar cascade never is. In correct outputs of 110
photos, RetinaFace's highest false positive beside a cover scored .91, and 10 photos had one above .85; 62 %
of the faces that were covered there score more, and 87 % of those in portraits."""

UNDER_COVER = 0.5
"""A face is not residual if at least this share of it lies under a cover."""


class Residual:
    """Finds uncovered faces with several detectors.

    Args:
        detectors: loaded.
        config: the settings that the manifest claims.
        covers_everyone: whether the run covered every face; otherwise every finding is unsure.
    """

    def __init__(
        self, detectors: Sequence[Detector], config: AnonymizeConfig, *, covers_everyone: bool
    ) -> None:
        self._detectors = detectors
        self._config = config
        self._covers_everyone = covers_everyone

    def __call__(self, frame: Frame, rendering: Rendering, covered: Detections) -> Iterator[Finding]:
        """Faces outside the covers of one frame, each with its box.

        Args:
            frame: of an output, decoded.
            rendering: how its samples are to be shown.
            covered: the boxes of the manifest.
        """
        if not self._config.covers_people:
            return
        from ..images import rgb_views
        from .metrics import coverage
        from .trial import cover_mask

        mask = cover_mask(covered, frame.size_wh, self._config)
        views = list(rgb_views(frame, rendering))
        left: list[Detections] = []
        sure = [2.0 if detector.card.kind == "haar" else _SURE_SCORE for detector in self._detectors]
        for detector in self._detectors:
            faces = unite_faces([self.look(view, detector) for view in views])
            shares = coverage(faces.xyxy, mask)
            left.append(faces[np.nan_to_num(shares, nan=1.0) < UNDER_COVER])
        limits = (self._config.min_face, self._config.max_face)
        kept = [size_may_stay(faces.xyxy, *limits) for faces in left]
        of_size = [faces[~stays] for faces, stays in zip(left, kept, strict=True)]
        others = [faces[stays] for faces, stays in zip(left, kept, strict=True)]
        for finding in faces_left(of_size, sure):
            yield finding if self._covers_everyone else replace(finding, is_sure=False)
        for finding in faces_left(others, sure):
            yield replace(finding, is_sure=False)

    def look(self, view: RgbImage, detector: Detector, share: float = 1.0) -> Detections:
        """Faces at a share of the detector's default threshold."""
        from ..detect.tiles import find_faces

        mirror = self._config.mirror == "auto"
        return find_faces(view, detector, share * detector.card.threshold, self._config.detail, mirror=mirror)


def faces_left(left: Sequence[Detections], sure: Sequence[float]) -> Iterator[Finding]:
    """Reports uncovered faces: as sure if two detectors agree or one is certain, otherwise as unsure.

    Args:
        left: uncovered faces of each detector.
        sure: least score at which each detector is believed alone.
    """
    reported = np.zeros((0, 4), np.float32)
    for first, faces in enumerate(left):
        others = Detections.concat([*left[:first], *left[first + 1 :]])
        agreed, known = overlaps_any(faces.xyxy, others.xyxy), overlaps_any(faces.xyxy, reported)
        for place in np.flatnonzero(~known).tolist():
            score = float(faces.score[place])
            by = "two detectors find" if agreed[place] else "one detector finds"
            sentence = f"{by} a face outside all boxes at {box_text(faces.xyxy[place])}, score {score:.2f}"
            x0, y0, x1, y1 = faces.xyxy[place].tolist()
            yield Finding(
                "residual", sentence, bool(agreed[place] or score >= sure[first]), xyxy=(x0, y0, x1, y1)
            )
        reported = np.concatenate([reported, faces.xyxy])


def overlaps_any(a: FloatArray, b: FloatArray) -> BoolArray:
    """`(N,)`: whether each box of `(N, 4)` is the same face as any of `(M, 4)`."""
    return np.asarray((iou(a, b) >= SAME_FACE_IOU).any(axis=1), bool)


def box_text(box: FloatArray) -> str:
    """A box in whole pixels, for sentences."""
    return "(" + ", ".join(f"{value:.0f}" for value in box.tolist()) + ")"
