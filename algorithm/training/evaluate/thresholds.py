"""Thresholds at equal numbers of false boxes, and recall by height at a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unionveil.measure.metrics import Band, Matches

__all__ = ["recall_by_height", "threshold_at"]


def threshold_at(matches: Matches, false_boxes_per_picture: float) -> float:
    """Lowest score threshold with at most this many false positives per picture."""
    allowed = int(false_boxes_per_picture * matches.pictures)
    false_scores = matches.score[~matches.true]
    if len(false_scores) <= allowed:
        return float(matches.score[-1]) if len(matches.score) else 1.0
    return float(np.nextafter(false_scores[allowed], np.float32(2)))


def recall_by_height(
    matches: Matches, threshold: float, heights_px: Sequence[Band]
) -> list[tuple[float, int]]:
    """Recall at a threshold and number of faces for each range of heights; NaN if there are no faces."""
    rows = []
    for least, most in heights_px:
        within = (matches.face_height >= least) & (matches.face_height < most)
        count = int(within.sum())
        found = float((matches.face_score[within] >= threshold).mean()) if count else float("nan")
        rows.append((found, count))
    return rows
