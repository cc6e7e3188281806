"""Detection metrics: average precision, and recall by face height at a number of false boxes per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unionveil.boxes import iou

__all__ = [
    "HEIGHTS_PX",
    "Matches",
    "Predicted",
    "Truth",
    "average_precision",
    "match",
    "recall_by_height",
    "threshold_at",
]

HEIGHTS_PX = ((0, 10), (10, 20), (20, 50), (50, 10_000))
"""Ranges of face height that recall is reported for, half-open."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """Labelled faces of one image.

    Attributes:
        xyxy: `(N, 4)`.
        ignore: `(N,)` boxes that count neither for nor against a detector.
    """

    xyxy: Array
    ignore: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Predicted:
    """A detector's boxes in one image: `xyxy (M, 4)` and `score (M,)`."""

    xyxy: Array
    score: Array


@dataclass(frozen=True)
class Matches:
    """All predicted boxes of all images, by descending score, and all faces.

    Attributes:
        score: `(M,)` descending, without boxes on ignored faces.
        true: `(M,)` whether the box is the first on a face that counts.
        face_score: `(F,)` score of the box that found each face; minus infinity if none did.
        face_height: `(F,)` in px.
        images: number of images.
    """

    score: Array
    true: npt.NDArray[np.bool_]
    face_score: Array
    face_height: Array
    images: int


def match(truths: Sequence[Truth], predictions: Sequence[Predicted], min_iou: float) -> Matches:
    """Matches each box, by descending score, with the unmatched face that it overlaps most.

    A box that matches no face is false, unless it overlaps an ignored one or lies at least half inside it. A
    second box on a face is false.
    """
    parts = [_match_image(*pair, min_iou) for pair in zip(truths, predictions, strict=True)]
    nothing = np.zeros(0, np.float32)
    score = np.concatenate([nothing, *(part.score for part in parts)])
    order = np.argsort(-score, kind="stable")
    return Matches(
        score=score[order],
        true=np.concatenate([nothing.astype(bool), *(part.true for part in parts)])[order],
        face_score=np.concatenate([nothing, *(part.face_score for part in parts)]),
        face_height=np.concatenate([nothing, *(part.face_height for part in parts)]),
        images=len(truths),
    )


def _match_image(truth: Truth, predicted: Predicted, min_iou: float) -> Matches:
    faces, ignored = truth.xyxy[~truth.ignore], truth.xyxy[truth.ignore]
    order = np.argsort(-predicted.score, kind="stable")
    boxes, score = predicted.xyxy[order], predicted.score[order]
    overlap = iou(boxes, faces)
    face_score = np.full(len(faces), -np.inf, np.float32)
    true = np.zeros(len(boxes), bool)
    for row in range(len(boxes) if len(faces) else 0):
        free = np.where(np.isneginf(face_score), overlap[row], -1.0)
        best = int(free.argmax())
        if free[best] >= min_iou:
            face_score[best] = score[row]
            true[row] = True
    excused = (iou(boxes, ignored) >= min_iou) | (_share_inside(boxes, ignored) >= 0.5)
    counted = true | ~excused.any(axis=1)
    return Matches(score[counted], true[counted], face_score, faces[:, 3] - faces[:, 1], 1)


def _share_inside(a: Array, b: Array) -> Array:
    """`(N, M)`: share of box a that lies in box b."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(axis=2)
    area = np.clip(a[:, 2:] - a[:, :2], 0, None).prod(axis=1)
    return np.asarray(inside / np.maximum(area, 1e-9)[:, None], np.float32)


def average_precision(matches: Matches) -> float:
    """Area under the interpolated precision-recall curve (as in PASCAL VOC since 2010).

    Raises:
        ValueError: there is no face that counts.
    """
    if not len(matches.face_score):
        raise ValueError("there is no face to find")
    true = np.cumsum(matches.true)
    recall = true / len(matches.face_score)
    precision = true / np.arange(1, len(true) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def threshold_at(matches: Matches, false_boxes_per_image: float) -> float:
    """Lowest score threshold with at most this many false boxes per image."""
    allowed = int(false_boxes_per_image * matches.images)
    false_scores = matches.score[~matches.true]
    if len(false_scores) <= allowed:
        return float(matches.score[-1]) if len(matches.score) else 1.0
    return float(np.nextafter(false_scores[allowed], np.float32(2)))


def recall_by_height(matches: Matches, threshold: float) -> list[tuple[float, int]]:
    """Recall at a threshold and number of faces for each of `HEIGHTS_PX`; NaN where there are no faces."""
    rows = []
    for low, high in HEIGHTS_PX:
        within = (matches.face_height >= low) & (matches.face_height < high)
        count = int(within.sum())
        recall = float((matches.face_score[within] >= threshold).mean()) if count else float("nan")
        rows.append((recall, count))
    return rows
