"""What the network is taught about each photo: the data set's labels, weighed by three teachers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
this share of it. Of 196 looked at some ten were faces, all turned away or hidden; the others were
fists, cups, lamps, ears, cloth. In photos without faces all such boxes are none; tiny people may be there."""


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


Third = Mapping[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
"""Boxes and scores of the third teacher by photo."""


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
    uncertain in a photo said to have no face. Heads that a person marked and no teacher saw stay ignored: a
    head is no face.

    Raises:
        DataError: the line lacks a field.
    """
    try:
        faces = line["faces"]
        xyxy = np.array([face["box"] for face in faces], np.float32).reshape(-1, 4)
        points = np.array(
            [face["landmarks"] or np.full((5, 2), np.nan) for face in faces], np.float32
        ).reshape(-1, 5, 2)
        scores = np.array(
            [[face["score_retinaface"], face["score_yunet"]] for face in faces], np.float32
        ).reshape(-1, 2)
        human = np.array([face["human"] for face in faces], bool)
        ignore = np.array([face["ignore"] for face in faces], bool)
        head = np.array([face["basis"] == "human_head_no_teacher" for face in faces], bool)
    except KeyError as error:
        raise DataError(f"the labels of {line.get('name')} lack {error}") from error
    scores[:, 1] = (scores[:, 1] / _YUNET_MOST).clip(0, 1)
    seen = third.get(line["name"])
    if seen is None:
        quality = scores @ (np.array(_WEIGHTS[:2], np.float32) / sum(_WEIGHTS[:2]))
    else:
        overlap = iou(xyxy, seen[0])
        same = (overlap >= _SAME_IOU).astype(np.float32)
        opinion = (same * seen[1][None]).max(axis=1, initial=0)
        quality = np.column_stack([scores, opinion]) @ np.array(_WEIGHTS, np.float32)
        sure = (opinion >= _PROMOTED) & (scores.max(axis=1, initial=0) >= _PROMOTED)
        ignore &= ~(sure & ~head)
        alone = (seen[1] >= _SEEN_BY_THIRD) & (same.max(axis=0, initial=0) == 0)
        count = int(alone.sum())
        xyxy = np.concatenate([xyxy, seen[0][alone]])
        points = np.concatenate([points, np.full((count, 5, 2), np.nan, np.float32)])
        quality = np.concatenate([quality, np.zeros(count, np.float32)])
        human = np.concatenate([human, np.zeros(count, bool)])
        ignore = np.concatenate([ignore, np.ones(count, bool)])
        head = np.concatenate([head, np.zeros(count, bool)])
    refuted = ignore & ~head & (shorter_sides(xyxy) >= _REFUTED_PX)
    doubtful = ignore & ~human
    doubtful[len(faces) :] = False
    if line.get("negative"):
        doubtful[:] = False
    elif seen is None:
        # Nobody said that there is no face: the third teacher must have looked, and seen none.
        refuted[:] = False
    else:
        refuted &= ~covered(xyxy, np.concatenate([xyxy[~ignore], seen[0]]), _REFUTED_SHARE).any(axis=1)
    sure = np.where(human & ~ignore, 1.0, _AGREED + (1 - _AGREED) * quality)
    quality = np.where(doubtful, np.minimum(quality, _IN_DOUBT), sure).astype(np.float32)
    surer = (quality[None] > quality[:, None]) & (~ignore | doubtful)[None]
    doubtful &= ~(surer & covered(xyxy, xyxy, _SAME_SHARE)).any(axis=1)
    quality[refuted] = 0.0
    return Labels(xyxy, points, quality, ignore & ~refuted & ~doubtful)
