"""Evaluation on holdout photos during a run, for decisions while developing.

The validation photos are kept for choosing between finished runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from unionveil.boxes import nms, shorter_sides
from unionveil.measure.metrics import (
    Predicted,
    Truth,
    average_precision,
    match,
)

from ..data.batches import Images, to_input
from ..data.labels import Labels
from ..data.photos import Image
from ..net.model import FaceNet
from ..net.priors import decode_boxes, priors_of
from ..spec import SIZE_MULTIPLE_PX
from .thresholds import recall_by_height, threshold_at

__all__ = ["evaluate_holdout", "has_faces", "predict"]

_MIN_FACE_PX = 8.0
_HEIGHTS_PX = ((10, 20), (20, 50), (50, float("inf")))
_MIN_SCORE = 0.02
_NMS_IOU = 0.4
_MAX_BOXES = 500


@torch.no_grad()
def predict(model: FaceNet, image: Image) -> Predicted:
    """Detects faces in an image `(H, W, 3)`, blue first, at its own size."""
    height, width = image.shape[:2]
    multiple = SIZE_MULTIPLE_PX
    padded_h, padded_w = -(-height // multiple) * multiple, -(-width // multiple) * multiple
    blob = torch.zeros(1, 3, padded_h, padded_w)
    blob[0, :, :height, :width] = to_input(image)
    device = next(model.parameters()).device
    loc, logit, _ = model(blob.to(device, memory_format=torch.channels_last))
    score = logit[0, :, 0].sigmoid()
    kept = score >= _MIN_SCORE
    boxes = decode_boxes(priors_of((padded_w, padded_h), device)[kept], loc[0, kept]).cpu().numpy()
    scores = score[kept].cpu().numpy()
    best = nms(boxes, scores, _NMS_IOU)[:_MAX_BOXES]
    return Predicted(boxes[best], scores[best])


def _truth(labels: Labels) -> Truth:
    """Faces that count: the labels are too unsure of doubtful faces and of those below 8 px."""
    labels = labels[labels.face | labels.ignore]
    small = shorter_sides(labels.xyxy) < _MIN_FACE_PX
    return Truth(labels.xyxy, ~labels.agreed | small)


def has_faces(holdout: Iterable[Labels]) -> bool:
    """Whether there is a face to measure on."""
    return any((~_truth(labels).ignore).any() for labels in holdout)


def evaluate_holdout(model: FaceNet, images: Images, holdout: Mapping[int, Labels]) -> dict[str, float]:
    """Average precision at IoU .5 on photos at their own size, and recall at one false box per photo.

    Args:
        model: the network, in evaluation mode.
        images: photos by index.
        holdout: labels by index of photo, with at least one face (`has_faces`).
    """
    truths = [_truth(labels) for labels in holdout.values()]
    matches = match(truths, [predict(model, images[index]) for index in holdout], 0.5)
    threshold = threshold_at(matches, 1.0)
    rows = recall_by_height(matches, threshold, _HEIGHTS_PX)
    return {
        "ap": round(average_precision(matches, levels=None), 4),
        "recall": round(float((matches.face_score >= threshold).mean()), 4),
        **{f"recall{low}": round(recall, 4) for low, (recall, _) in zip(_HEIGHTS_PX, rows, strict=True)},
    }
