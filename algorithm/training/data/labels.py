"""Training targets of each photo: the data set's labels, weighed by three teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unionveil.boxes import covered, iou, shorter_sides

from ..teachers.boxes import TeacherBoxes, ThirdTeacher
from .files import DataError

__all__ = ["Labels", "labels_of"]

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_TEACHER_WEIGHTS = (0.25, 0.5, 0.25)
"""Weights of RetinaFace, YuNet and CenterFace: YuNet agrees best with true labels."""

_MAX_YUNET_SCORE = 0.92
"""YuNet's score for a plain, large, frontal face; its scores rarely exceed it."""

_SAME_FACE_IOU = 0.3
_MIN_LONE_SCORE = 0.35
"""CenterFace's score from which a box that no other teacher detected is ignored instead of background."""

_MIN_PROMOTING_SCORE = 0.5
"""An uncertain box becomes a face where CenterFace and one other teacher score at least this."""

_MAX_DOUBTFUL, _MIN_AGREED = 0.49, 0.5
"""Highest quality of a doubtful face, and lowest quality of an agreed one."""

_DUPLICATE_SHARE = 0.3
"""A doubtful face is likely a duplicate if a surer one covers this share of it."""

_MIN_REFUTED_PX, _MAX_REFUTED_COVER = 20.0, 0.2
"""An uncertain box is a false positive if its shorter side is at least this, CenterFace detected nothing
there, and no face covers this share of it. In a sample of 196 such boxes about ten were faces, all turned
away or hidden; the others were fists, cups, lamps, ears and cloth. Of 104 heads that people marked there, one
or two were not seen from behind. In photos without faces all such boxes are false positives; tiny people may
be there."""


@dataclass(frozen=True)
class Labels:
    """Training targets of one image, in its pixels.

    Attributes:
        xyxy: `(N, 4)` float32.
        points: `(N, 5, 2)` float32 landmarks, NaN where unknown.
        quality: `(N,)` float32 in [0, 1], the score to aim for: 1 for a face that a person marked, below a
            half for a doubtful face, 0 for a teacher's false positive (a hard negative).
        ignore: `(N,)` bool, whether the box is neither a face nor background.
        hard: `(N,)` bool, whether the detector errs here: a face that it scores low, or a false positive of
            its own (`own_scores`).
    """

    xyxy: Floats
    points: Floats
    quality: Floats
    ignore: Mask
    hard: Mask

    def __len__(self) -> int:
        return len(self.xyxy)

    @property
    def face(self) -> Mask:
        """`(N,)`: whether the box is a face, agreed or doubtful."""
        return ~self.ignore & (self.quality > 0)

    @property
    def agreed(self) -> Mask:
        """`(N,)`: whether the box is a face without doubt."""
        return ~self.ignore & (self.quality >= _MIN_AGREED)

    def __getitem__(self, which: Any) -> Labels:
        """The boxes that a mask or an index array selects."""
        return Labels(
            self.xyxy[which], self.points[which], self.quality[which], self.ignore[which], self.hard[which]
        )

    @classmethod
    def empty(cls) -> Labels:
        """Labels without a box."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros((0, 5, 2), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, bool),
            np.zeros(0, bool),
        )

    @classmethod
    def concat(cls, parts: Sequence[Labels]) -> Labels:
        """All boxes of several labels."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.xyxy for part in parts]),
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.quality for part in parts]),
            np.concatenate([part.ignore for part in parts]),
            np.concatenate([part.hard for part in parts]),
        )


def labels_of(record: Mapping[str, Any], third: ThirdTeacher) -> Labels:
    """Weighs one line of `labels.jsonl`.

    - A face's quality is the teachers' weighted mean score, mapped to [0.5, 1]; without a third opinion the
      other two count alone. A face that a person marked has quality 1.
    - An uncertain box becomes a face if CenterFace and one other teacher are sure of it. It becomes a hard
      negative if it is large and CenterFace detected nothing there. Otherwise it is a doubtful face, its
      quality the weighted score: in a sample of 192, seven in ten at .45 and above were faces and a third
      from .3 to .4, most of them turned away, blurred or half hidden.
    - Boxes that only CenterFace detected are ignored, and so are uncertain boxes in a photo without faces.
    - A head that a person marked and no teacher detected is never a face: a hard negative if it is large,
      else ignored.

    Raises:
        DataError: a field is missing or invalid.
    """
    try:
        boxes, opinion = _dataset_boxes(record["faces"]), third.get(record["name"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the labels of {record.get('name')} are not valid ({error!r}): get the labels again"
        ) from error
    negative = bool(record.get("negative"))
    if opinion is not None:
        boxes = _with_third_opinion(boxes, opinion)
    weighted = _weighted_scores(boxes.scores)
    refuted = _refuted(boxes, opinion, negative)
    doubtful = boxes.ignore & ~boxes.human & ~boxes.alone & (not negative)
    sure = np.where(boxes.human & ~boxes.ignore, 1.0, _MIN_AGREED + (1 - _MIN_AGREED) * weighted)
    quality = np.where(doubtful, np.minimum(weighted, _MAX_DOUBTFUL), sure).astype(np.float32)
    doubtful &= ~_duplicates(boxes, quality, doubtful)
    quality[refuted] = 0.0
    ignore = boxes.ignore & ~refuted & ~doubtful
    return Labels(boxes.xyxy, boxes.points, quality, ignore, np.zeros(len(quality), bool))


@dataclass(frozen=True)
class _Boxes:
    """Opinions on each box of a photo, before they are weighed.

    Attributes:
        xyxy: `(N, 4)` float32.
        points: `(N, 5, 2)` float32 landmarks, NaN where unknown.
        scores: `(N, T)` float32, one column per teacher, in the order of `_TEACHER_WEIGHTS`.
        human: `(N,)` whether a person marked it.
        ignore: `(N,)` whether it is uncertain.
        head: `(N,)` whether a person marked a head there and no teacher detected a face.
        alone: `(N,)` whether only the third teacher detected it.
    """

    xyxy: Floats
    points: Floats
    scores: Floats
    human: Mask
    ignore: Mask
    head: Mask
    alone: Mask


def _dataset_boxes(faces: Sequence[Mapping[str, Any]]) -> _Boxes:
    """The data set's own opinions: two teachers, and people."""
    unknown = np.full((5, 2), np.nan)
    pairs = [[face["score_retinaface"], face["score_yunet"]] for face in faces]
    scores = np.array(pairs, np.float32).reshape(-1, 2)
    scores[:, 1] = (scores[:, 1] / _MAX_YUNET_SCORE).clip(0, 1)
    return _Boxes(
        xyxy=np.array([face["box"] for face in faces], np.float32).reshape(-1, 4),
        points=np.array([face["landmarks"] or unknown for face in faces], np.float32).reshape(-1, 5, 2),
        scores=scores,
        human=np.array([face["human"] for face in faces], bool),
        ignore=np.array([face["ignore"] for face in faces], bool),
        head=np.array([face["basis"] == "human_head_no_teacher" for face in faces], bool),
        alone=np.zeros(len(faces), bool),
    )


def _with_third_opinion(boxes: _Boxes, third: TeacherBoxes) -> _Boxes:
    """Adds the third teacher's scores, promotes boxes that it confirms, and appends those it found alone."""
    same = iou(boxes.xyxy, third.xyxy) >= _SAME_FACE_IOU
    opinion = np.where(same, third.score, np.float32(0)).max(axis=1, initial=0)
    sure = (opinion >= _MIN_PROMOTING_SCORE) & (boxes.scores.max(axis=1, initial=0) >= _MIN_PROMOTING_SCORE)
    alone = (third.score >= _MIN_LONE_SCORE) & ~same.any(axis=0)
    count = int(alone.sum())
    no, yes = np.zeros(count, bool), np.ones(count, bool)
    # Boxes found alone stay ignored: no score is needed for them.
    return _Boxes(
        xyxy=np.concatenate([boxes.xyxy, third.xyxy[alone]]),
        points=np.concatenate([boxes.points, np.full((count, 5, 2), np.nan, np.float32)]),
        scores=np.concatenate([np.column_stack([boxes.scores, opinion]), np.zeros((count, 3), np.float32)]),
        human=np.concatenate([boxes.human, no]),
        ignore=np.concatenate([boxes.ignore & ~(sure & ~boxes.head), yes]),
        head=np.concatenate([boxes.head, no]),
        alone=np.concatenate([boxes.alone, yes]),
    )


def _weighted_scores(scores: Floats) -> Floats:
    """`(N,)` weighted mean of the teachers' scores."""
    weights = np.array(_TEACHER_WEIGHTS[: scores.shape[1]], np.float32)
    return np.asarray(scores @ (weights / weights.sum()), np.float32)


def _refuted(boxes: _Boxes, third: TeacherBoxes | None, negative: bool) -> Mask:
    """`(N,)`: whether a large uncertain box is a false positive, because no teacher or person confirms it."""
    large = boxes.ignore & (shorter_sides(boxes.xyxy) >= _MIN_REFUTED_PX)
    if negative:
        return np.asarray(large)
    if third is None:
        # Absence is evidence only after the third teacher has processed the photo.
        return np.zeros_like(large)
    faces = np.concatenate([boxes.xyxy[~boxes.ignore], third.xyxy])
    return np.asarray(large & ~covered(boxes.xyxy, faces, _MAX_REFUTED_COVER).any(axis=1))


def _duplicates(boxes: _Boxes, quality: Floats, doubtful: Mask) -> Mask:
    """`(N,)`: whether a face of higher quality covers much of the box."""
    surer = (quality[None] > quality[:, None]) & (~boxes.ignore | doubtful)[None]
    return np.asarray((surer & covered(boxes.xyxy, boxes.xyxy, _DUPLICATE_SHARE)).any(axis=1))
