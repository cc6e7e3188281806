"""Boxes, predictions and truths for tests of metrics."""

from __future__ import annotations

import numpy as np

from unionveil.measure.metrics import Predicted, Truth

__all__ = ["boxes", "predicted", "truth"]


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def predicted(xyxy: np.ndarray, *scores: float) -> Predicted:
    return Predicted(xyxy, np.array(scores, np.float32))


def truth(xyxy: np.ndarray, *ignore: bool) -> Truth:
    return Truth(xyxy, np.array(ignore or [False] * len(xyxy), bool))
