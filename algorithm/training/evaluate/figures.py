"""Figures of one detector, from its boxes in the validation photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unionveil.boxes import shorter_sides
from unionveil.measure.metrics import (
    Matches,
    Predicted,
    Truth,
    average_precision,
    match,
)

from .protocols import FIRST_SIDES_PX
from .thresholds import recall_by_height, threshold_at
from .validation import GROUPS, Photo

__all__ = ["figures", "first_figures", "recall_by_trait"]

_FALSE_BOXES = (0.5, 1.0, 2.0)
"""False boxes per image at which recall is reported."""

_SCORES = (0.5, 0.6, 0.7, 0.8)
"""Score thresholds at which recall is reported, beside each detector's own."""

_HEIGHTS_PX = ((0, 10), (10, 20), (20, 50), (50, 10_000))
"""Ranges of face height that recall is reported for, half-open."""

_MIN_IOU, _FIRST_MIN_IOU = 0.5, 0.4
_FIRST_MIN_PX = 10


def first_figures(photos: Sequence[Photo], predictions: Sequence[Predicted]) -> dict[str, float]:
    """Average precision in the protocol `first`: IoU .4, faces of at least 10 px at its one size."""
    result = {}
    for group in GROUPS:
        truths, boxes = [], []
        for photo, predicted in zip(photos, predictions, strict=True):
            if photo.group != group:
                continue
            scale = FIRST_SIDES_PX[group] / max(photo.image.shape[:2])
            small = shorter_sides(photo.truth.xyxy.astype(np.float32)) * scale < _FIRST_MIN_PX
            truths.append(Truth(photo.truth.xyxy, photo.truth.ignore | small))
            boxes.append(predicted)
        result[group] = round(average_precision(match(truths, boxes, _FIRST_MIN_IOU), levels=None), 4)
    return result


def figures(photos: Sequence[Photo], predictions: Sequence[Predicted], threshold: float) -> dict[str, Any]:
    """Average precision and recall at IoU .5, for each set and for both.

    Args:
        photos: the validation photos.
        predictions: the detector's boxes in each.
        threshold: the detector's default score threshold.
    """
    result: dict[str, Any] = {}
    for group in (*GROUPS, "both"):
        pairs = [pair for pair in zip(photos, predictions, strict=True) if group in ("both", pair[0].group)]
        matches = match([photo.truth for photo, _ in pairs], [boxes for _, boxes in pairs], _MIN_IOU)
        result[group] = {
            "ap": round(average_precision(matches, levels=None), 4),
            "at_false_boxes": _recall_at_false_boxes(matches),
            "at_threshold": _recall(matches, threshold),
            "at_scores": [_recall(matches, score) for score in _SCORES],
            "curve": _curve(matches),
        }
    return result


def _recall_at_false_boxes(matches: Matches) -> dict[str, dict[str, Any]]:
    return {str(allowed): _recall(matches, threshold_at(matches, allowed)) for allowed in _FALSE_BOXES}


def _recall(matches: Matches, threshold: float) -> dict[str, Any]:
    false = int((~matches.true & (matches.score >= threshold)).sum())
    return {
        "score": round(threshold, 4),
        "false_boxes": round(false / matches.pictures, 3),
        "recall": round(float((matches.face_score >= threshold).mean()), 4),
        "by_height": [
            {"px": list(bounds), "faces": count, "recall": round(recall, 4)}
            for bounds, (recall, count) in zip(
                _HEIGHTS_PX, recall_by_height(matches, threshold, _HEIGHTS_PX), strict=True
            )
        ],
    }


def recall_by_trait(
    photos: Sequence[Photo], predictions: Sequence[Predicted], threshold: float
) -> dict[str, dict[str, Any]]:
    """Recall at a threshold, and number of faces, for each trait."""
    matches = match([photo.truth for photo in photos], predictions, _MIN_IOU)
    counted = [
        traits
        for photo in photos
        for traits, ignored in zip(photo.traits, photo.truth.ignore, strict=True)
        if not ignored
    ]
    result = {}
    for trait in sorted(frozenset[str]().union(*counted)):
        having = np.array([trait in traits for traits in counted])
        found = matches.face_score[having] >= threshold
        result[trait] = {"faces": int(having.sum()), "recall": round(float(found.mean()), 4)}
    return result


def _curve(matches: Matches) -> list[list[float]]:
    """False boxes per image and recall, thinned to about sixty points."""
    false = np.cumsum(~matches.true) / matches.pictures
    recall = np.cumsum(matches.true) / len(matches.face_score)
    steps = np.unique(np.searchsorted(false, np.geomspace(0.02, 5, 60)).clip(max=len(false) - 1))
    return [[round(float(false[step]), 4), round(float(recall[step]), 4)] for step in steps]
