"""Thresholds and recall by height against figures calculated by hand."""

from __future__ import annotations

import numpy as np

from training.evaluate.thresholds import recall_by_height, threshold_at
from unionveil.measure.metrics import Predicted, Truth, match


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def predicted(xyxy: np.ndarray, *scores: float) -> Predicted:
    return Predicted(xyxy, np.array(scores, np.float32))


def truth(xyxy: np.ndarray, *ignore: bool) -> Truth:
    return Truth(xyxy, np.array(ignore or [False] * len(xyxy), bool))


def test_threshold_keeps_to_the_false_boxes_allowed() -> None:
    faces = boxes((0, 0, 10, 10))
    predictions = predicted(boxes((0, 0, 10, 10), (50, 0, 60, 10), (70, 0, 80, 10)), 0.5, 0.7, 0.6)
    matches = match([truth(faces)], [predictions], 0.5)
    for allowed in (0, 1, 2):
        kept = matches.score[~matches.true] >= threshold_at(matches, allowed)
        assert kept.sum() <= allowed
    assert threshold_at(matches, 1) <= 0.6 + 1e-6 < threshold_at(matches, 0)


def test_recall_by_height() -> None:
    faces = boxes((0, 0, 8, 8), (20, 0, 32, 12), (40, 0, 70, 30), (100, 0, 200, 100), (300, 0, 390, 90))
    predictions = predicted(faces[[1, 3]], 0.9, 0.2)
    heights = ((0, 10), (10, 20), (20, 50), (50, 10_000))
    rows = recall_by_height(match([truth(faces)], [predictions], 0.5), 0.5, heights)
    assert rows == [(0.0, 1), (1.0, 1), (0.0, 1), (0.0, 2)]
