"""Photos of the training set that no run learns from, to choose by while developing.

The validation photos are kept for choosing between finished runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from unionveil.boxes import nms, shorter_sides

from .data import to_input
from .labels import Third, labels_of
from .metric import Found, Truth, average_precision, match, recall_by_height, threshold_at
from .model import FaceNet
from .photos import Pixels
from .priors import decode_boxes, priors_of
from .spec import SIZE_MULTIPLE_PX

__all__ = ["find", "measure", "split"]

_ONE_IN = 16
_MEASURED_ONE_IN = 3
"""Of those held out, every third is looked at while a run goes on: looking costs as much as learning."""

_LEAST_PX = 8.0


def split(lines: Sequence[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """Indices of photos to learn from and of those held out: one in 16, by a digest of the name."""
    digests = [hashlib.sha256(line["name"].encode()).digest()[0] for line in lines]
    held = [i for i, digest in enumerate(digests) if digest % _ONE_IN == 0 and lines[i]["source"] != "lfw"]
    kept = set(held)
    return [i for i in range(len(lines)) if i not in kept], held


@torch.no_grad()
def find(model: FaceNet, image: np.ndarray[Any, np.dtype[np.uint8]], least_score: float = 0.02) -> Found:
    """Faces of one picture `(H, W, 3)`, blue first, at its own size."""
    height, width = image.shape[:2]
    multiple = SIZE_MULTIPLE_PX
    to_h, to_w = -(-height // multiple) * multiple, -(-width // multiple) * multiple
    blob = torch.zeros(1, 3, to_h, to_w)
    blob[0, :, :height, :width] = to_input(image)
    loc, logit, _ = model(blob.contiguous(memory_format=torch.channels_last))
    score = logit[0, :, 0].sigmoid()
    kept = score >= least_score
    boxes = decode_boxes(priors_of((to_w, to_h))[kept], loc[0, kept]).numpy()
    scores = score[kept].numpy()
    best = nms(boxes, scores, 0.4)[:500]
    return Found(boxes[best], scores[best])


def measure(
    model: FaceNet, pixels: Pixels, lines: Sequence[dict[str, Any]], third: Third, indices: Sequence[int]
) -> dict[str, float]:
    """Average precision at IoU .5 on held-out photos at their own size, and recall at one false box a photo.

    Faces of less than 8 px, and those in doubt, are ignored here: the labels are not sure enough of them.
    """
    truths, found = [], []
    for index in indices[::_MEASURED_ONE_IN]:
        labels = labels_of(lines[index], third)
        labels = labels[labels.face | labels.ignore]
        small = shorter_sides(labels.xyxy) < _LEAST_PX
        truths.append(Truth(labels.xyxy, ~labels.agreed | small))
        found.append(find(model, pixels[index]))
    matches = match(truths, found, 0.5)
    threshold = threshold_at(matches, 1.0)
    rows = recall_by_height(matches, threshold)
    return {
        "ap": round(average_precision(matches), 4),
        "recall": round(float((matches.face_score >= threshold).mean()), 4),
        **{
            f"recall{low}": round(recall, 4)
            for (low, _), (recall, _) in zip(((10, 20), (20, 50), (50, 0)), rows[1:], strict=True)
        },
    }
