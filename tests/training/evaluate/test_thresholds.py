"""Thresholds and recall by height against figures calculated by hand."""

from __future__ import annotations

from metric_cases import boxes, predicted, truth
from training.evaluate.thresholds import recall_by_height, threshold_at
from unionveil.measure.metrics import match


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
