"""Which priors answer for which face: chosen by what the network makes of them, as in SimOTA.

SimOTA (arXiv:2107.08430, section 2.1) takes for each face the cheapest of the priors near its middle, as many
as its best boxes overlap it in sum. Cost here is score and overlap as there, and a third part: how far the
prior's side is from the face's, without which a fresh level would never get a face.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .priors import level_starts
from .spec import PRIORS_PX, STRIDES

__all__ = ["Assignment", "assign", "pair_iou"]

_REACH = 2
"""Cells from the middle of the face, on each level: 5 by 5 of them are candidates."""

_MOST = 10
_IOU_COST, _SIZE_COST = 3.0, 1.0
_FAR = 1e6


@dataclass(frozen=True)
class Assignment:
    """Pairs of prior and face.

    Attributes:
        picture: `(A,)` int64.
        prior: `(A,)` int64, index within the picture.
        face: `(A,)` int64.
    """

    picture: Tensor
    prior: Tensor
    face: Tensor


def pair_iou(a: Tensor, b: Tensor) -> Tensor:
    """Overlap of boxes that stand in the same place of two `(..., 4)` tensors."""
    wh = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    inter = wh.prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1)
    return inter / (area_a + area_b - inter).clamp(min=1e-6)


def candidates(xyxy: Tensor, size_wh: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Priors whose cells lie near the middle of each face.

    Args:
        xyxy: `(F, 4)` faces.
        size_wh: of the picture.

    Returns:
        `(F, C)` int64 indices of priors, and `(F, C)` whether each is a candidate; the others stand for cells
        outside the picture, or whose middle lies neither in the face nor in the nearest 3 by 3.
    """
    centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    reach = torch.arange(-_REACH, _REACH + 1)
    dy, dx = (step.reshape(-1) for step in torch.meshgrid(reach, reach, indexing="ij"))
    indices, valid = [], []
    for stride, start in zip(STRIDES, level_starts(size_wh), strict=True):
        columns, rows = size_wh[0] // stride, size_wh[1] // stride
        x = torch.div(centre[:, :1], stride, rounding_mode="floor").long() + dx
        y = torch.div(centre[:, 1:], stride, rounding_mode="floor").long() + dy
        inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        at_x, at_y = (x + 0.5) * stride, (y + 0.5) * stride
        in_face = (at_x > xyxy[:, :1]) & (at_x < xyxy[:, 2:3]) & (at_y > xyxy[:, 1:2]) & (at_y < xyxy[:, 3:])
        near = (dx.abs() <= 1) & (dy.abs() <= 1)
        indices.append(start + y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1))
        valid.append(inside & (in_face | near))
    return torch.cat(indices, 1), torch.cat(valid, 1)


@torch.no_grad()
def assign(boxes: Tensor, logits: Tensor, of: Tensor, xyxy: Tensor, size_wh: tuple[int, int]) -> Assignment:
    """Chooses priors for all faces of a batch.

    Args:
        boxes: `(N, P, 4)` what the network says now, in pixels.
        logits: `(N, P)` its scores.
        of: `(F,)` picture of each face.
        xyxy: `(F, 4)` faces.
        size_wh: of the pictures.
    """
    if not len(xyxy):
        nothing = torch.zeros(0, dtype=torch.long)
        return Assignment(nothing, nothing, nothing)
    prior, valid = candidates(xyxy, size_wh)
    overlap = pair_iou(boxes[of[:, None], prior], xyxy[:, None]) * valid
    score = logits[of[:, None], prior].sigmoid()
    level_side = torch.tensor([side for (side,) in PRIORS_PX]).repeat_interleave((2 * _REACH + 1) ** 2)
    side = (xyxy[:, 2:] - xyxy[:, :2]).prod(-1).sqrt()
    cost = -(score.clamp(min=1e-6).log()) - _IOU_COST * overlap.clamp(min=1e-6).log()
    cost = cost + _SIZE_COST * (side[:, None] / level_side).log2().abs() ** 2
    cost = cost.where(valid, torch.tensor(_FAR))
    wanted = overlap.topk(_MOST, dim=1).values.sum(1).round().long().clamp(1, _MOST)
    order = cost.topk(_MOST, dim=1, largest=False)
    taken = (torch.arange(_MOST) < wanted[:, None]) & (order.values < _FAR)
    face, place = taken.nonzero(as_tuple=True)
    chosen = prior[face, order.indices[face, place]]
    price = order.values[face, place]
    # A prior that two faces want goes to the one for which it is cheaper.
    by_price = price.argsort()
    key = (of[face] * boxes.shape[1] + chosen)[by_price]
    first = torch.zeros(len(key), dtype=torch.bool)
    seen_sorted, back = key.sort(stable=True)
    first[back] = torch.cat([torch.ones(1, dtype=torch.bool), seen_sorted[1:] != seen_sorted[:-1]])
    kept = by_price[first]
    return Assignment(of[face[kept]], chosen[kept], face[kept])
