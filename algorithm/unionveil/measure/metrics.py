"""Detection metrics: COCO's average precision, recall, false positives, coverage, and their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..detections import BoolArray, FloatArray

__all__ = [
    "BANDS_PX",
    "MIN_IOU",
    "Band",
    "Floats",
    "Interval",
    "Matches",
    "Predicted",
    "Truth",
    "Weights",
    "average_precision",
    "bootstrap",
    "coverage",
    "curve",
    "false_boxes",
    "false_per_picture",
    "match",
    "recall",
]

Band: TypeAlias = tuple[float, float]
"""Least and largest height of a face in pixels, half-open."""

BANDS_PX: tuple[Band, ...] = ((0, 20), (20, 40), (40, 80), (80, float("inf")))
"""Ranges of height that reports distinguish."""

MIN_IOU = 0.5
"""Least overlap (IoU) of a box that has found a face, as in PASCAL VOC and COCO's AP50."""

Floats: TypeAlias = npt.NDArray[np.float64]
Weights: TypeAlias = npt.NDArray[np.float64]

_RESAMPLES = 1000
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Truth:
    """Labelled faces of one picture.

    Attributes:
        xyxy: `(N, 4)`.
        ignore: `(N,)` regions that count neither for nor against a detector, however many boxes they contain
            (`iscrowd` in COCO).
    """

    xyxy: FloatArray | Floats
    ignore: BoolArray


@dataclass(frozen=True)
class Predicted:
    """A detector's boxes in one picture: `xyxy (M, 4)` and `score (M,)`."""

    xyxy: FloatArray | Floats
    score: FloatArray


@dataclass(frozen=True)
class Matches:
    """All boxes of all pictures that count, by descending score, and all faces that count.

    Attributes:
        score: `(M,)` descending.
        true: `(M,)` whether the box is the first on a face that counts; else it is false.
        picture: `(M,)` index of the box's picture.
        face_score: `(F,)` score of the box that found each face; minus infinity if none did.
        face_height: `(F,)` in px.
        face_picture: `(F,)` index of the face's picture.
        pictures: number of pictures.
    """

    score: FloatArray
    true: BoolArray
    picture: npt.NDArray[np.intp]
    face_score: FloatArray
    face_height: FloatArray
    face_picture: npt.NDArray[np.intp]
    pictures: int


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval over pictures."""

    value: float
    low: float
    high: float


def match(
    truths: Sequence[Truth],
    predictions: Sequence[Predicted],
    min_iou: float = MIN_IOU,
    heights_px: Band | None = None,
) -> Matches:
    """Matches each box, by descending score, with the unmatched face that it overlaps most.

    The rules are those of COCO's evaluation (pycocotools, `COCOeval.evaluateImg`), without its limit of 100
    boxes per picture: a crowd has more faces. A box on an ignored region is left out; a second box on a face
    is false.

    Args:
        truths: faces of each picture.
        predictions: a detector's boxes in each.
        min_iou: least overlap of a box that has found a face.
        heights_px: counts only faces of these heights, and no false positives of other heights; None counts
            all.
    """
    parts = [_match_picture(*pair, min_iou, heights_px) for pair in zip(truths, predictions, strict=True)]
    nothing = np.zeros(0, np.float32)
    score = np.concatenate([nothing, *(part.score for part in parts)])
    order = np.argsort(-score, kind="stable")
    true = np.concatenate([nothing.astype(bool), *(part.true for part in parts)])
    return Matches(
        score=score[order],
        true=true[order],
        picture=np.repeat(np.arange(len(parts)), [len(part.score) for part in parts])[order],
        face_score=np.concatenate([nothing, *(part.face_score for part in parts)]),
        face_height=np.concatenate([nothing, *(part.face_height for part in parts)]),
        face_picture=np.repeat(np.arange(len(parts)), [len(part.face_score) for part in parts]),
        pictures=len(parts),
    )


@dataclass(frozen=True)
class _Picture:
    """The boxes that count, by descending score, and the faces that count, of one picture."""

    score: FloatArray
    true: BoolArray
    face_score: FloatArray
    face_height: FloatArray


def _match_picture(truth: Truth, predicted: Predicted, min_iou: float, heights_px: Band | None) -> _Picture:
    order = np.argsort(-predicted.score, kind="stable")
    boxes, score = predicted.xyxy[order].astype(np.float64), predicted.score[order]
    overlap = _overlap(boxes, truth)
    heights = truth.xyxy[:, 3] - truth.xyxy[:, 1]
    counts = ~truth.ignore & _within(heights, heights_px)
    # The smallest step below 1 as COCO takes it, so that a box equal to its face counts at an IoU of 1.
    least = min(min_iou, 1 - 1e-10)
    finder, kept = _assign(overlap, counts, truth.ignore, least)
    found = finder >= 0
    kept &= (_within(boxes[:, 3] - boxes[:, 1], heights_px)) | np.isin(np.arange(len(boxes)), finder[found])
    true = np.isin(np.arange(len(boxes)), finder[counts & found])
    face_score = np.full(len(counts), -np.inf, np.float32)
    face_score[found] = score[finder[found]]
    return _Picture(
        score[kept].astype(np.float32),
        true[kept],
        face_score[counts],
        heights[counts].astype(np.float32),
    )


def false_boxes(truth: Truth, predicted: Predicted, min_iou: float = MIN_IOU) -> npt.NDArray[np.intp]:
    """`(F,)`: indices of the boxes of one picture that `match` counts as false, best first."""
    order = np.argsort(-predicted.score, kind="stable")
    overlap = _overlap(predicted.xyxy[order].astype(np.float64), truth)
    finder, kept = _assign(overlap, ~truth.ignore, truth.ignore, min(min_iou, 1 - 1e-10))
    kept[finder[finder >= 0]] = False
    return order[kept]


def _assign(
    overlap: Floats, counts: BoolArray, ignore: BoolArray, least: float
) -> tuple[npt.NDArray[np.intp], BoolArray]:
    """Greedy assignment of boxes, in order, to faces.

    Args:
        overlap: `(M, N)` of boxes with faces.
        counts: `(N,)` faces that count; they are preferred to all others.
        ignore: `(N,)` regions that take any number of boxes; the rest takes one each.
        least: overlap from which a box is on a face.

    Returns:
        `(N,)` index of the box on each face, -1 for none or where the face is a region; and `(M,)` whether
        the box counts: boxes on faces that do not count are left out.
    """
    finder = np.full(len(counts), -1, np.intp)
    kept = np.ones(len(overlap), bool)
    for row in range(len(overlap) if len(counts) else 0):
        free = np.where((finder < 0) & (overlap[row] >= least), overlap[row], -1.0)
        for group in (counts, ~counts):
            candidates = np.where(group, free, -1.0)
            best = (
                len(candidates) - 1 - int(candidates[::-1].argmax())
            )  # the last of equal ones, as COCO does
            if candidates[best] < 0:
                continue
            kept[row] = bool(counts[best])
            if not ignore[best]:
                finder[best] = row
            break
    return finder, kept


def _overlap(boxes: Floats, truth: Truth) -> Floats:
    """`(M, N)`: IoU with faces, and the share of the box inside ignored regions, in double precision."""
    faces = truth.xyxy.astype(np.float64)
    low = np.maximum(boxes[:, None, :2], faces[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], faces[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(axis=2)
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)[:, None]
    face_area = np.clip(faces[:, 2:] - faces[:, :2], 0, None).prod(axis=1)[None, :]
    whole = np.where(truth.ignore[None, :], area, area + face_area - inside)
    return np.divide(inside, whole, out=np.zeros_like(inside), where=whole > 0)


def _within(heights: npt.NDArray[np.floating], band: Band | None) -> BoolArray:
    if band is None:
        return np.ones(len(heights), bool)
    return np.asarray((heights >= band[0]) & (heights < band[1]))


def average_precision(matches: Matches, *, levels: int | None = 101, weights: Weights | None = None) -> float:
    """Area under the interpolated precision-recall curve.

    Args:
        matches: boxes and faces.
        levels: takes the mean precision at this many levels of recall from 0 to 1, as COCO does with 101
            (`COCOeval.accumulate`); None takes the exact area (PASCAL VOC since 2010).
        weights: `(pictures,)` how often each picture counts; None counts each once.

    Raises:
        ValueError: there is no face that counts.
    """
    weights = np.ones(matches.pictures) if weights is None else weights
    faces = weights[matches.face_picture].sum()
    if not faces:
        raise ValueError("there is no face to find")
    each = weights[matches.picture]
    true = np.cumsum(matches.true * each)
    total = np.cumsum(each)
    precision = np.divide(true, total, out=np.zeros_like(total), where=total > 0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    reached = true / faces
    if levels is None:
        return float(np.sum(np.diff(reached, prepend=0.0) * envelope))
    places = np.searchsorted(reached, np.linspace(0, 1, levels), side="left")
    return float(np.append(envelope, 0.0)[places].mean())


def recall(matches: Matches, threshold: float, weights: Weights | None = None) -> float:
    """Share of the faces that are found by boxes of at least a score; NaN if there is no face."""
    weights = np.ones(matches.pictures) if weights is None else weights
    each = weights[matches.face_picture]
    faces = each.sum()
    return float((each * (matches.face_score >= threshold)).sum() / faces) if faces else float("nan")


def false_per_picture(matches: Matches, threshold: float, weights: Weights | None = None) -> float:
    """False positives of at least a score, per picture."""
    weights = np.ones(matches.pictures) if weights is None else weights
    false = ~matches.true & (matches.score >= threshold)
    pictures = weights.sum()
    return float((weights[matches.picture] * false).sum() / pictures) if pictures else float("nan")


def curve(matches: Matches) -> tuple[Floats, Floats]:
    """False positives per picture and recall at every score, in descending order."""
    false = np.cumsum(~matches.true) / max(matches.pictures, 1)
    return false, np.cumsum(matches.true) / max(len(matches.face_score), 1)


def coverage(xyxy: FloatArray | Floats, mask: BoolArray) -> Floats:
    """Share of each box that is covered, by area; a pixel that a box's edge cuts counts in part.

    Args:
        xyxy: `(N, 4)` boxes in pixels of the picture.
        mask: `(H, W)` whether each pixel is covered.

    Returns:
        `(N,)` in [0, 1]; parts outside the picture are left out. NaN for a box outside it.
    """
    height, width = mask.shape
    shares = []
    for x0, y0, x1, y1 in np.asarray(xyxy, np.float64).reshape(-1, 4):
        columns, across = _pixels(x0, x1, width)
        rows, down = _pixels(y0, y1, height)
        area = across.sum() * down.sum()
        shares.append(down @ mask[rows, columns] @ across / area if area else np.nan)
    return np.asarray(shares, np.float64)


def _pixels(low: float, high: float, length: int) -> tuple[slice, Floats]:
    """The pixels of an interval, and the share of each that is inside."""
    first, last = max(0, int(low)), min(length, -int(-high // 1))
    places = np.arange(first, max(first, last))
    inside = np.clip(np.minimum(places + 1, high) - np.maximum(places, low), 0, 1)
    return slice(first, first + len(places)), inside


def bootstrap(estimate: Callable[[Weights], float], pictures: int, seed: int = 0) -> Interval:
    """A figure and the 95 % percentile interval of its bootstrap over pictures (Efron, 1979).

    Args:
        estimate: computes the figure from how often each picture counts, `(pictures,)`; NaN if undefined.
        pictures: number of pictures.
        seed: of the resampling, so that a report is the same every time.
    """
    value = estimate(np.ones(pictures))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(pictures, np.full(pictures, 1 / max(pictures, 1)), _RESAMPLES)
    estimates = np.array([estimate(weights.astype(np.float64)) for weights in drawn])
    estimates = estimates[~np.isnan(estimates)]
    if not len(estimates):
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return Interval(value, float(low), float(high))
