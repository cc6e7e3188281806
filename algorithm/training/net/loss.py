"""Training loss: score (quality focal), box (distance-IoU), landmarks (smooth L1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..data.batches import Batch
from .assign import Assignment, assign, pair_iou
from .priors import decode_boxes, encode_points, level_starts, priors_of

__all__ = ["LossWeights", "detection_loss", "ignored_priors", "quality_focal"]

_BOX, _POINTS = 2.0, 0.2
"""Weights of the box and landmark losses; the score's is 1."""

_MIN_TARGET = 0.5
"""Part of a face's target score that does not depend on its box's IoU: small faces never overlap well."""

_MAX_PART = 3.0
"""A prior counts as a part of an ignored box if its side fits more often than this into the box's."""

_MIN_LANDMARK_PX = 10.0
"""Faces with a shorter side below this are not used for landmarks: their labels are off by a pixel or two."""

_BAND_PX = (20.0, 50.0)
_FINE_PX = 16.0


@dataclass(frozen=True)
class LossWeights:
    """Weights of faces by their shorter side, and of background; the others' is 1.

    Attributes:
        band: of the score of faces from 20 to 50 px.
        large: of the score of larger faces.
        fine: of the boxes of faces below 16 px.
        background: of the scores at stride 4 where there is no face. Most false boxes are there, and decide
            how many larger faces are found at one false box per photo.
    """

    band: float = 1.0
    large: float = 1.0
    fine: float = 1.0
    background: float = 1.0

    def of_scores(self, side_px: Tensor) -> Tensor:
        """Weights of the scores of faces with shorter sides `(F,)`."""
        low, high = _BAND_PX
        weight = torch.ones_like(side_px)
        weight[side_px >= low] = self.band
        weight[side_px >= high] = self.large
        return weight

    def of_boxes(self, side_px: Tensor) -> Tensor:
        """Weights of the boxes of faces with shorter sides `(F,)`."""
        return torch.where(side_px < _FINE_PX, self.fine, 1.0)


_EVEN = LossWeights()


def detection_loss(
    loc: Tensor, logit: Tensor, landms: Tensor, batch: Batch, weights: LossWeights = _EVEN
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of the three losses over a batch.

    Score: quality focal loss; the target of an assigned prior is the face's quality times the mean of 1 and
    its box's IoU, and 0 elsewhere. Box: distance-IoU loss (arXiv:1911.08287). Landmarks: smooth L1.

    Args:
        loc: `(N, P, 4)` box regressions.
        logit: `(N, P, 1)` score logits.
        landms: `(N, P, 10)` landmark regressions.
        batch: images and labels.
        weights: weights of faces by size.

    Returns:
        The loss, and its parts for the log.
    """
    size_wh = (batch.images.shape[3], batch.images.shape[2])
    priors = priors_of(size_wh, loc.device)
    score = logit[..., 0]
    boxes = decode_boxes(priors, loc)
    pairs = assign(boxes.detach(), score.detach(), batch.face_image, batch.xyxy, size_wh)
    goals = _goals(boxes, pairs, batch, score)
    side_px = (batch.xyxy[:, 2:] - batch.xyxy[:, :2]).amin(1)[pairs.face]
    counted = (~ignored_priors(priors, batch, len(score))).float()
    counted[:, : level_starts(size_wh)[1]] *= weights.background
    counted[pairs.image, pairs.prior] = weights.of_scores(side_px)
    total = goals.weight.sum().clamp(min=1.0)
    score_loss = (quality_focal(score, goals.target) * counted).sum() / total
    box_loss = (goals.weight * weights.of_boxes(side_px) * goals.distance).sum() / total
    points_loss = _points_loss(landms, priors, pairs, batch)
    parts = {
        "score": score_loss.detach(),
        "box": box_loss.detach(),
        "points": points_loss.detach(),
        "iou": goals.overlap.sum() / max(1, len(goals.overlap)),
    }
    return score_loss + _BOX * box_loss + _POINTS * points_loss, parts


def quality_focal(logit: Tensor, target: Tensor) -> Tensor:
    """Quality focal loss per cell, for targets in [0, 1] (QFL of arXiv:2006.04388 with its beta of 2)."""
    entropy = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    return (target - logit.sigmoid()).square() * entropy


@dataclass(frozen=True)
class _Goals:
    """Targets of a batch.

    Attributes:
        target: `(N, P)` target score of each prior.
        weight: `(A,)` weight of each pair.
        overlap: `(A,)` IoU of each pair's predicted box.
        distance: `(A,)` its distance-IoU loss.
    """

    target: Tensor
    weight: Tensor
    overlap: Tensor
    distance: Tensor


def _goals(boxes: Tensor, pairs: Assignment, batch: Batch, score: Tensor) -> _Goals:
    predicted, faces = boxes[pairs.image, pairs.prior], batch.xyxy[pairs.face]
    overlap = pair_iou(predicted.detach(), faces)
    weight = batch.quality[pairs.face]
    target = torch.zeros_like(score)
    target[pairs.image, pairs.prior] = weight * (_MIN_TARGET + (1 - _MIN_TARGET) * overlap)
    return _Goals(target, weight, overlap, _distance_iou_loss(predicted, faces))


def _distance_iou_loss(a: Tensor, b: Tensor) -> Tensor:
    """`(A,)` distance-IoU loss of pairs of boxes (arXiv:1911.08287)."""
    span = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    between = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    return 1 - pair_iou(a, b) + (between**2).sum(-1) / (span**2).sum(-1).clamp(min=1e-6)


def _points_loss(landms: Tensor, priors: Tensor, pairs: Assignment, batch: Batch) -> Tensor:
    """Mean over the pairs whose face is large enough and has landmarks."""
    faces = batch.xyxy[pairs.face]
    known = ~batch.points[pairs.face].isnan().flatten(1).any(1)
    known &= (faces[:, 2:] - faces[:, :2]).min(1).values >= _MIN_LANDMARK_PX
    prior = pairs.prior[known]
    target = encode_points(priors[prior], batch.points[pairs.face[known]])
    predicted = landms[pairs.image[known], prior]
    return functional.smooth_l1_loss(predicted, target, reduction="sum") / max(1, target.numel())


def ignored_priors(priors: Tensor, batch: Batch, count: int) -> Tensor:
    """`(count, P)`: whether a prior's centre is in an ignored box: neither face nor background.

    Much smaller priors are background: an eye or a cheek of a face cut by the image's edge is not a face.
    """
    box_px = (batch.ignore_xyxy[:, 2:] - batch.ignore_xyxy[:, :2]).clamp(min=0).prod(1, keepdim=True).sqrt()
    inside = (
        (priors[None, :, 2] * _MAX_PART >= box_px)
        & (priors[None, :, 0] >= batch.ignore_xyxy[:, :1])
        & (priors[None, :, 0] <= batch.ignore_xyxy[:, 2:3])
        & (priors[None, :, 1] >= batch.ignore_xyxy[:, 1:2])
        & (priors[None, :, 1] <= batch.ignore_xyxy[:, 3:])
    )
    ignored = torch.zeros(count, len(priors), device=priors.device)
    ignored.index_add_(0, batch.ignore_image, inside.float())
    return ignored > 0
