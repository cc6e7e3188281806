"""What training makes small: a score that tells how good the box is, the box's overlap, the landmarks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .assign import Assignment, assign, pair_iou
from .data import Batch
from .priors import decode_boxes, encode_points, priors_of

__all__ = ["ignored_priors", "loss", "quality_focal"]

_BOX, _POINTS = 2.0, 0.2
_SURE = 0.5
"""Share of a face's score that it has whatever its box overlaps: small faces never overlap well."""

_PART = 3.0
"""How often the side of a prior may fit into that of an ignored box until it stands for a part of it."""

_LEAST_LANDMARK_PX = 10.0
"""Faces of smaller sides teach no landmarks: the labels are off by a pixel or two."""


def loss(loc: Tensor, logit: Tensor, landms: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """Sum of the three losses over a batch.

    Scores are taught by quality focal loss: the target of an answering prior is the face's quality times a
    mean of 1 and its box's overlap, and 0 for all others. Boxes by distance-IoU (arXiv:1911.08287).
    Landmarks by smooth L1.

    Args:
        loc: `(N, P, 4)`.
        logit: `(N, P, 1)`.
        landms: `(N, P, 10)`.
        batch: the pictures' faces.

    Returns:
        The loss, and its parts for the log.
    """
    size_wh = (batch.images.shape[3], batch.images.shape[2])
    priors = priors_of(size_wh)
    score = logit[..., 0]
    boxes = decode_boxes(priors, loc)
    pairs = assign(boxes.detach(), score.detach(), batch.of, batch.xyxy, size_wh)
    target, weight, overlap, gap = _targets(boxes, pairs, batch, score)
    counted = ~ignored_priors(priors, batch, len(score))
    counted[pairs.picture, pairs.prior] = True
    total = weight.sum().clamp(min=1.0)
    score_loss = (quality_focal(score, target) * counted).sum() / total
    box_loss = (weight * gap).sum() / total
    points_loss = _points_loss(landms, priors, pairs, batch)
    parts = {
        "score": float(score_loss.detach()),
        "box": float(box_loss.detach()),
        "points": float(points_loss.detach()),
        "iou": float(overlap.mean()) if len(overlap) else 0.0,
    }
    return score_loss + _BOX * box_loss + _POINTS * points_loss, parts


def quality_focal(logit: Tensor, target: Tensor) -> Tensor:
    """Of each cell, its entropy against a target in [0, 1]; what is near its target counts little.

    Equation 5 of arXiv:2006.04388, with its beta of 2.
    """
    entropy = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    return (target - logit.sigmoid()).square() * entropy


def _targets(
    boxes: Tensor, pairs: Assignment, batch: Batch, score: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Score targets `(N, P)`, and of each pair its weight, overlap and distance-IoU loss."""
    found, faces = boxes[pairs.picture, pairs.prior], batch.xyxy[pairs.face]
    gap = _distance_iou_loss(found, faces)
    overlap = pair_iou(found.detach(), faces)
    weight = batch.quality[pairs.face]
    target = torch.zeros_like(score)
    target[pairs.picture, pairs.prior] = weight * (_SURE + (1 - _SURE) * overlap)
    return target, weight, overlap, gap


def _distance_iou_loss(a: Tensor, b: Tensor) -> Tensor:
    span = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    between = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    return 1 - pair_iou(a, b) + (between**2).sum(-1) / (span**2).sum(-1).clamp(min=1e-6)


def _points_loss(landms: Tensor, priors: Tensor, pairs: Assignment, batch: Batch) -> Tensor:
    """Mean over the pairs whose face has landmarks and is large enough."""
    faces = batch.xyxy[pairs.face]
    known = ~batch.points[pairs.face].isnan().flatten(1).any(1)
    known &= (faces[:, 2:] - faces[:, :2]).min(1).values >= _LEAST_LANDMARK_PX
    prior = pairs.prior[known]
    wanted = encode_points(priors[prior], batch.points[pairs.face[known]])
    got = landms[pairs.picture[known], prior]
    return functional.smooth_l1_loss(got, wanted, reduction="sum") / max(1, 10 * int(known.sum()))


def ignored_priors(priors: Tensor, batch: Batch, count: int) -> Tensor:
    """`(N, P)` priors whose cell lies in an ignored box: neither face nor background.

    Much smaller priors count: an eye or a cheek of a face that is cut by the picture's edge is no face.
    """
    box_px = (batch.ignore_xyxy[:, 2:] - batch.ignore_xyxy[:, :2]).clamp(min=0).prod(1, keepdim=True).sqrt()
    inside = (
        (priors[None, :, 2] * _PART >= box_px)
        & (priors[None, :, 0] >= batch.ignore_xyxy[:, :1])
        & (priors[None, :, 0] <= batch.ignore_xyxy[:, 2:3])
        & (priors[None, :, 1] >= batch.ignore_xyxy[:, 1:2])
        & (priors[None, :, 1] <= batch.ignore_xyxy[:, 3:])
    )
    ignored = torch.zeros(count, len(priors))
    ignored.index_add_(0, batch.ignore_of, inside.float())
    return ignored > 0
