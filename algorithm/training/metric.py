"""How well boxes that were found match faces that are there: average precision, and recall by height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unionveil.boxes import iou

__all__ = ["HEIGHTS_PX", "Found", "Truth", "average_precision", "match", "recall_by_height", "threshold_at"]

HEIGHTS_PX = ((0, 10), (10, 20), (20, 50), (50, 10_000))
"""Face heights that recall is told for, half-open."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """The faces of one picture.

    Attributes:
        xyxy: `(N, 4)`.
        ignore: `(N,)` boxes that count neither for nor against.
    """

    xyxy: Array
    ignore: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """What a detector found in one picture: `xyxy (M, 4)` and `score (M,)`."""

    xyxy: Array
    score: Array


@dataclass(frozen=True)
class Matches:
    """All boxes found in all pictures, best first, and all faces.

    Attributes:
        score: `(M,)` descending, without boxes that fell on ignored faces.
        true: `(M,)` whether the box is the first on a face that counts.
        face_score: `(F,)` score at which each face that counts was found; minus infinity if never.
        face_height: `(F,)` in px.
        pictures: how many.
    """

    score: Array
    true: npt.NDArray[np.bool_]
    face_score: Array
    face_height: Array
    pictures: int


def match(truths: Sequence[Truth], found: Sequence[Found], least_iou: float) -> Matches:
    """Gives each box, best first, the free face that it overlaps most.

    A box on no free face is false, unless it overlaps an ignored one, or lies at least half inside it. The
    second box on a face is false.
    """
    scores, trues, face_scores, heights = [], [], [], []
    for truth, seen in zip(truths, found, strict=True):
        counts = ~truth.ignore
        faces, others = truth.xyxy[counts], truth.xyxy[truth.ignore]
        reached = np.full(len(faces), -np.inf, np.float32)
        order = np.argsort(-seen.score, kind="stable")
        overlap = iou(seen.xyxy[order], faces)
        excused = (iou(seen.xyxy[order], others) >= least_iou).any(axis=1) | (
            _inside(seen.xyxy[order], others) >= 0.5
        ).any(axis=1)
        for row, index in enumerate(order):
            free = np.where(np.isneginf(reached), overlap[row], -1.0)
            best = int(free.argmax()) if len(free) else -1
            if best >= 0 and free[best] >= least_iou:
                reached[best] = seen.score[index]
            elif excused[row]:
                continue
            scores.append(seen.score[index])
            trues.append(best >= 0 and free[best] >= least_iou)
        face_scores.append(reached)
        heights.append(faces[:, 3] - faces[:, 1])
    score = np.array(scores, np.float32)
    order = np.argsort(-score, kind="stable")
    return Matches(
        score=score[order],
        true=np.array(trues, bool)[order],
        face_score=np.concatenate(face_scores) if face_scores else np.zeros(0, np.float32),
        face_height=np.concatenate(heights) if heights else np.zeros(0, np.float32),
        pictures=len(truths),
    )


def _inside(a: Array, b: Array) -> Array:
    """Share of each box of `a` that lies in each of `b`."""
    wh = np.clip(
        np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2]), 0, None
    )
    whole = np.clip(a[:, 2:] - a[:, :2], 0, None).prod(axis=1)
    return np.asarray(wh.prod(axis=2) / np.maximum(whole, 1e-9)[:, None], np.float32)


def average_precision(matches: Matches) -> float:
    """Area under precision over recall, precision made to fall only (as in PASCAL VOC from 2010 on)."""
    if not len(matches.face_score):
        raise ValueError("there is no face to find")
    true = np.cumsum(matches.true)
    recall = true / len(matches.face_score)
    precision = true / np.arange(1, len(true) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def threshold_at(matches: Matches, false_boxes_a_picture: float) -> float:
    """The least score at which there are no more false boxes a picture than that."""
    allowed = int(false_boxes_a_picture * matches.pictures)
    false_scores = matches.score[~matches.true]
    if len(false_scores) <= allowed:
        return float(matches.score[-1]) if len(matches.score) else 1.0
    return float(np.nextafter(false_scores[allowed], np.float32(2)))


def recall_by_height(matches: Matches, threshold: float) -> list[tuple[float, int]]:
    """Recall at a score, and how many faces there are, for each of `HEIGHTS_PX`; NaN where there is none."""
    rows = []
    for low, high in HEIGHTS_PX:
        those = (matches.face_height >= low) & (matches.face_height < high)
        count = int(those.sum())
        rows.append(
            (float((matches.face_score[those] >= threshold).mean()) if count else float("nan"), count)
        )
    return rows
