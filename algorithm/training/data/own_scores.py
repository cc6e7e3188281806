"""Weighs labels by the detector's own boxes: what it must still learn, and what it already knows.

The boxes are those that `training.teachers.label --detector own` wrote: enlarged, mirrored and ranked by
support. Learning their scores is self-distillation: one pass learns what several know together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from unionveil.boxes import covered, iou, shorter_sides

from ..teachers.boxes import TeacherBoxes
from .labels import Labels

__all__ = ["with_own_scores"]

_SAME_FACE_IOU = 0.4

_MAX_HARD_SCORE = 0.8
"""A face that scores less is hard. At this score the detector has about one false box per photo."""

_FALSE_SCORES = (0.5, 0.9)
"""Scores of the detector's false positives that become hard negatives. Of 146 such boxes of at least 12 px
that were inspected, about four showed a face, of 70 smaller ones up to six. Higher scores are ignored."""

_MIN_HARD_PX, _MIN_FALSE_PX = 12.0, 8.0
"""Shorter side, in the photo, from which a face can be hard, and from which a false positive is trained on.
Smaller faces score low because they are small."""

_MAX_EVIDENCE_COVER = 0.1
"""A false positive shares at most this much of its own area, or of the other's, with any teacher's box."""


def with_own_scores(labels: Labels, own: TeacherBoxes, third: TeacherBoxes | None) -> Labels:
    """Labels with the detector's own false positives, and qualities that its own scores raise.

    - The quality of an agreed face becomes the mean of it and the own score, mapped to [0.5, 1], if that is
      higher. Doubtful faces keep theirs: by own scores half of them became agreed ones, and all scores rose.
    - An agreed face that scores low is hard.
    - An own box where no teacher and no person saw anything is a hard negative, or ignored if it scores high.

    Args:
        labels: as `labels_of` makes them.
        own: the detector's boxes in the photo.
        third: CenterFace's boxes in the photo; without them no own box counts as false.
    """
    same = iou(labels.xyxy, own.xyxy) >= _SAME_FACE_IOU
    score = np.where(same, own.score, np.float32(0)).max(axis=1, initial=0)
    raised = np.maximum(labels.quality, (labels.quality + 0.5 + 0.5 * score) / 2)
    quality = np.where(labels.agreed, raised, labels.quality).astype(np.float32)
    large = shorter_sides(labels.xyxy) >= _MIN_HARD_PX
    known = replace(labels, quality=quality, hard=labels.agreed & large & (score < _MAX_HARD_SCORE))
    return known if third is None else Labels.concat([known, _unseen_by_others(labels, own, third)])


def _unseen_by_others(labels: Labels, own: TeacherBoxes, third: TeacherBoxes) -> Labels:
    """The own boxes that nobody else saw: hard negatives, and ignored those that score high."""
    others = np.concatenate([labels.xyxy, third.xyxy])
    evidence = covered(own.xyxy, others, _MAX_EVIDENCE_COVER).any(axis=1)
    evidence |= covered(others, own.xyxy, _MAX_EVIDENCE_COVER).any(axis=0)
    low, high = _FALSE_SCORES
    kept = ~evidence & (own.score >= low) & (shorter_sides(own.xyxy) >= _MIN_FALSE_PX)
    xyxy, score = own.xyxy[kept], own.score[kept]
    unsure: npt.NDArray[np.bool_] = score >= high
    return Labels(
        xyxy=xyxy,
        points=np.full((len(xyxy), 5, 2), np.nan, np.float32),
        quality=np.zeros(len(xyxy), np.float32),
        ignore=unsure,
        hard=~unsure,
    )
