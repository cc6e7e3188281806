"""Label assignment: which priors are responsible for which face (SimOTA).

SimOTA (arXiv:2107.08430, section 2.1) assigns each face the cheapest priors near its centre, as many as the
sum of its best candidates' IoU. The cost here is score and IoU as there, and a third term: the difference
between the sides of prior and face. Without it an untrained level would never be assigned a face.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..spec import PRIORS_PX, STRIDES
from .priors import level_starts

__all__ = ["Assignment", "assign", "candidates", "pair_iou"]

_REACH = 2
"""Cells from a face's centre, on each level: 5 by 5 of them are candidates."""

_MAX_PRIORS = 10
"""Most priors for one face."""

_IOU_COST, _SIZE_COST = 3.0, 1.0
_INVALID = 1e6
"""Cost of a prior that is not a candidate."""


@dataclass(frozen=True)
class Assignment:
    """Pairs of prior and face.

    Attributes:
        image: `(A,)` int64, index in the batch.
        prior: `(A,)` int64, index within the image.
        face: `(A,)` int64, index in the batch's list of faces.
    """

    image: Tensor
    prior: Tensor
    face: Tensor


def pair_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes at the same index of two `(..., 4)` tensors."""
    wh = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    inter = wh.prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1)
    return inter / (area_a + area_b - inter).clamp(min=1e-6)


def candidates(xyxy: Tensor, size_wh: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Priors whose cells are near the centre of each face.

    Args:
        xyxy: `(F, 4)` faces.
        size_wh: size of the image.

    Returns:
        `(F, C)` int64 indices of priors, and `(F, C)` bool whether each is a candidate. The others are
        placeholders: their cells are outside the image, or outside both the face and the nearest 3 by 3.
    """
    centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    reach = torch.arange(-_REACH, _REACH + 1, device=xyxy.device)
    dy, dx = (step.reshape(-1) for step in torch.meshgrid(reach, reach, indexing="ij"))
    near = (dx.abs() <= 1) & (dy.abs() <= 1)
    indices, valid = [], []
    for stride, start in zip(STRIDES, level_starts(size_wh), strict=True):
        columns, rows = size_wh[0] // stride, size_wh[1] // stride
        x = torch.div(centre[:, :1], stride, rounding_mode="floor").long() + dx
        y = torch.div(centre[:, 1:], stride, rounding_mode="floor").long() + dy
        inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        indices.append(start + y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1))
        valid.append(inside & (_in_box((x + 0.5) * stride, (y + 0.5) * stride, xyxy) | near))
    return torch.cat(indices, 1), torch.cat(valid, 1)


def _in_box(x: Tensor, y: Tensor, xyxy: Tensor) -> Tensor:
    """`(F, C)`: whether points `(F, C)` lie inside the boxes `(F, 4)`."""
    return (x > xyxy[:, :1]) & (x < xyxy[:, 2:3]) & (y > xyxy[:, 1:2]) & (y < xyxy[:, 3:])


@torch.no_grad()
def assign(
    boxes: Tensor, logits: Tensor, face_image: Tensor, xyxy: Tensor, size_wh: tuple[int, int]
) -> Assignment:
    """Assigns priors to all faces of a batch; no prior is assigned twice.

    Args:
        boxes: `(N, P, 4)` boxes that the network predicts now, in pixels.
        logits: `(N, P)` their score logits.
        face_image: `(F,)` image index of each face.
        xyxy: `(F, 4)` faces.
        size_wh: size of the images.
    """
    if not len(xyxy):
        nothing = torch.zeros(0, dtype=torch.long, device=xyxy.device)
        return Assignment(nothing, nothing, nothing)
    prior, valid = candidates(xyxy, size_wh)
    overlap = pair_iou(boxes[face_image[:, None], prior], xyxy[:, None]) * valid
    cost = _cost(logits[face_image[:, None], prior], overlap, xyxy).masked_fill(~valid, _INVALID)
    wanted = overlap.topk(_MAX_PRIORS, dim=1).values.sum(1).round().long().clamp(1, _MAX_PRIORS)
    order = cost.topk(_MAX_PRIORS, dim=1, largest=False)
    rank = torch.arange(_MAX_PRIORS, device=xyxy.device)
    taken = (rank < wanted[:, None]) & (order.values < _INVALID)
    face, rank = taken.nonzero(as_tuple=True)
    chosen = prior[face, order.indices[face, rank]]
    key = face_image[face] * boxes.shape[1] + chosen
    kept = _cheapest_per_key(key, order.values[face, rank])
    return Assignment(face_image[face[kept]], chosen[kept], face[kept])


def _cost(logits: Tensor, overlap: Tensor, xyxy: Tensor) -> Tensor:
    """`(F, C)` cost of each candidate for each face."""
    level_side = torch.tensor([side for (side,) in PRIORS_PX], device=xyxy.device)
    level_side = level_side.repeat_interleave((2 * _REACH + 1) ** 2)
    side = (xyxy[:, 2:] - xyxy[:, :2]).prod(-1).sqrt()
    cost = -(logits.sigmoid().clamp(min=1e-6).log()) - _IOU_COST * overlap.clamp(min=1e-6).log()
    return cost + _SIZE_COST * (side[:, None] / level_side).log2().abs() ** 2


def _cheapest_per_key(key: Tensor, cost: Tensor) -> Tensor:
    """Indices of the cheapest entry of each key: a prior that two faces claim goes to the cheaper one."""
    by_cost = cost.argsort()
    first = torch.ones(len(key), dtype=torch.bool, device=key.device)
    keys, back = key[by_cost].sort(stable=True)
    first[back[1:]] = keys[1:] != keys[:-1]
    return by_cost[first]
