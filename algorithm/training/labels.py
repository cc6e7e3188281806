"""What the network is taught about each photo: the data set's labels, weighed by three teachers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from unionveil.boxes import covered, iou, shorter_sides

from .photos import DataError, read_jsonl

__all__ = ["Labels", "labels_of", "read_third_teacher"]

_WEIGHTS = (0.25, 0.5, 0.25)
"""Of RetinaFace, YuNet and CenterFace: YuNet is the best of the three on true labels."""

_YUNET_MOST = 0.92
"""YuNet's score of a plain, large, frontal face: its scores hardly go higher."""

_SAME_IOU = 0.3
_SEEN_BY_THIRD = 0.35
"""CenterFace's score above which a box that no other teacher saw is neither a face nor background."""

_PROMOTED = 0.5
"""An uncertain box becomes a face where CenterFace and one of the other two give at least this."""

_IN_DOUBT, _AGREED = 0.49, 0.5
"""Most quality of a face in doubt, and least of any other."""

_SAME_SHARE = 0.3
"""A face in doubt that a surer one covers by this share is likely that one, seen again."""

_REFUTED_PX, _REFUTED_SHARE = 20.0, 0.2
"""An uncertain box of at least this smaller side is no face where CenterFace saw nothing, and no face covers
this share of it. Of 196 looked at some ten were faces, all turned away or hidden; the others were fists,
cups, lamps, ears, cloth. Of 104 heads that people marked there, one or two were not seen from behind. In
photos without faces all such boxes are none; tiny people may be there."""


@dataclass(frozen=True)
class Labels:
    """The faces of one picture, in its pixels.

    Attributes:
        xyxy: `(N, 4)` float32.
        points: `(N, 5, 2)` float32 landmarks, NaN where unknown.
        quality: `(N,)` float32 in [0, 1], how sure a good detector may be; 1 for what a person marked, below
            a half for what may be a face, 0 for what a teacher took for a face and is none, which is
            background worth looking at.
        ignore: `(N,)` whether the box is neither a face nor background.
    """

    xyxy: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    quality: npt.NDArray[np.float32]
    ignore: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.xyxy)

    @property
    def face(self) -> npt.NDArray[np.bool_]:
        """`(N,)` whether the box is a face, or may be one."""
        return ~self.ignore & (self.quality > 0)

    @property
    def agreed(self) -> npt.NDArray[np.bool_]:
        """`(N,)` whether the box is a face without doubt."""
        return ~self.ignore & (self.quality >= _AGREED)

    def __getitem__(self, which: Any) -> Labels:
        """The boxes that a mask or an index array picks."""
        return Labels(self.xyxy[which], self.points[which], self.quality[which], self.ignore[which])

    @classmethod
    def empty(cls) -> Labels:
        """No box at all."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros((0, 5, 2), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, bool),
        )

    @classmethod
    def concat(cls, parts: list[Labels]) -> Labels:
        """All boxes of several sets."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.xyxy for part in parts]),
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.quality for part in parts]),
            np.concatenate([part.ignore for part in parts]),
        )


Seen: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""`(M, 4)` boxes and `(M,)` scores that the third teacher saw in a photo."""

Third: TypeAlias = Mapping[str, Seen]
"""What it saw, by photo."""


def read_third_teacher(path: Path) -> Third:
    """Reads what `teach.py` wrote; photos that it did not reach are absent.

    Raises:
        DataError: there is no such file.
    """
    return {
        line["name"]: (
            np.asarray(line["boxes"], np.float32).reshape(-1, 4),
            np.asarray(line["scores"], np.float32),
        )
        for line in read_jsonl(path)
    }


def labels_of(line: Mapping[str, Any], third: Third) -> Labels:
    """Weighs one line of `labels.jsonl`.

    A face's quality is the teachers' weighted score, stretched to [0.5, 1]; without a third opinion the other
    two count alone. An uncertain box becomes a face if CenterFace and one other are sure of it, and is none,
    with quality 0, if it is large and CenterFace sees nothing there. Else it is a face in doubt, its quality
    the weighted score: of 192 looked at, seven in ten at .45 and above were faces and a third from .3 to
    .4, most of them turned away, blurred or half hidden. What CenterFace alone sees is ignored, and what is
    uncertain in a photo said to have no face. A head that a person marked and no teacher saw is never a face:
    none if it is large, else ignored.

    Raises:
        DataError: the line lacks a field.
    """
    try:
        boxes, seen = _marked(line), third.get(line["name"])
    except KeyError as error:
        raise DataError(f"the labels of {line.get('name')} lack {error}") from error
    negative = bool(line.get("negative"))
    if seen is not None:
        boxes = _shown_to_third(boxes, seen)
    weighted = _weighted(boxes.scores)
    refuted = _refuted(boxes, seen, negative)
    doubtful = boxes.ignore & ~boxes.human & ~boxes.alone & (not negative)
    sure = np.where(boxes.human & ~boxes.ignore, 1.0, _AGREED + (1 - _AGREED) * weighted)
    quality = np.where(doubtful, np.minimum(weighted, _IN_DOUBT), sure).astype(np.float32)
    doubtful &= ~_seen_again(boxes, quality, doubtful)
    quality[refuted] = 0.0
    return Labels(boxes.xyxy, boxes.points, quality, boxes.ignore & ~refuted & ~doubtful)


@dataclass(frozen=True)
class _Boxes:
    """What is said of each box of a photo, before it is weighed.

    Attributes:
        xyxy: `(N, 4)` float32.
        points: `(N, 5, 2)` float32 landmarks, NaN where unknown.
        scores: `(N, T)` float32 of the teachers that were asked, in the order of `_WEIGHTS`.
        human: `(N,)` whether a person marked it.
        ignore: `(N,)` whether it is not surely a face.
        head: `(N,)` whether a person marked a head there and no teacher saw a face.
        alone: `(N,)` whether only the third teacher saw it.
    """

    xyxy: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    human: npt.NDArray[np.bool_]
    ignore: npt.NDArray[np.bool_]
    head: npt.NDArray[np.bool_]
    alone: npt.NDArray[np.bool_]


def _marked(line: Mapping[str, Any]) -> _Boxes:
    """What the data set itself says: two teachers, and people."""
    faces = line["faces"]
    nowhere = np.full((5, 2), np.nan)
    scores = np.array(
        [[face["score_retinaface"], face["score_yunet"]] for face in faces], np.float32
    ).reshape(-1, 2)
    scores[:, 1] = (scores[:, 1] / _YUNET_MOST).clip(0, 1)
    return _Boxes(
        xyxy=np.array([face["box"] for face in faces], np.float32).reshape(-1, 4),
        points=np.array([face["landmarks"] or nowhere for face in faces], np.float32).reshape(-1, 5, 2),
        scores=scores,
        human=np.array([face["human"] for face in faces], bool),
        ignore=np.array([face["ignore"] for face in faces], bool),
        head=np.array([face["basis"] == "human_head_no_teacher" for face in faces], bool),
        alone=np.zeros(len(faces), bool),
    )


def _shown_to_third(boxes: _Boxes, seen: Seen) -> _Boxes:
    """The same with the third teacher's opinion, which makes some boxes faces, and the boxes it saw alone."""
    seen_xyxy, seen_scores = seen
    same = iou(boxes.xyxy, seen_xyxy) >= _SAME_IOU
    opinion = np.where(same, seen_scores, np.float32(0)).max(axis=1, initial=0)
    sure = (opinion >= _PROMOTED) & (boxes.scores.max(axis=1, initial=0) >= _PROMOTED)
    alone = (seen_scores >= _SEEN_BY_THIRD) & ~same.any(axis=0)
    count = int(alone.sum())
    no, yes = np.zeros(count, bool), np.ones(count, bool)
    # What it saw alone is weighed by nobody, but neither is it background.
    return _Boxes(
        xyxy=np.concatenate([boxes.xyxy, seen_xyxy[alone]]),
        points=np.concatenate([boxes.points, np.full((count, 5, 2), np.nan, np.float32)]),
        scores=np.concatenate([np.column_stack([boxes.scores, opinion]), np.zeros((count, 3), np.float32)]),
        human=np.concatenate([boxes.human, no]),
        ignore=np.concatenate([boxes.ignore & ~(sure & ~boxes.head), yes]),
        head=np.concatenate([boxes.head, no]),
        alone=np.concatenate([boxes.alone, yes]),
    )


def _weighted(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`(N,)` mean score of the teachers that were asked, weighted."""
    weights = np.array(_WEIGHTS[: scores.shape[1]], np.float32)
    return scores @ (weights / weights.sum())


def _refuted(boxes: _Boxes, seen: Seen | None, negative: bool) -> npt.NDArray[np.bool_]:
    """`(N,)` which large uncertain boxes are no face, because nobody sees one there."""
    large = boxes.ignore & (shorter_sides(boxes.xyxy) >= _REFUTED_PX)
    if negative:
        return large
    if seen is None:
        # Nobody said that there is no face: the third teacher must have looked, and seen none.
        return np.zeros_like(large)
    faces = np.concatenate([boxes.xyxy[~boxes.ignore], seen[0]])
    return large & ~covered(boxes.xyxy, faces, _REFUTED_SHARE).any(axis=1)


def _seen_again(
    boxes: _Boxes, quality: npt.NDArray[np.float32], doubtful: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """`(N,)` which boxes a surer face, or a face in less doubt, covers."""
    surer = (quality[None] > quality[:, None]) & (~boxes.ignore | doubtful)[None]
    return np.asarray((surer & covered(boxes.xyxy, boxes.xyxy, _SAME_SHARE)).any(axis=1))
