"""Priors, and conversions between boxes or landmarks and their regression targets, in torch."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from unionveil.detect.retinaface import make_priors

from ..spec import PRIORS_PX, STRIDES, VARIANCES

__all__ = ["decode_boxes", "decode_points", "encode_points", "level_starts", "priors_of"]


@lru_cache(maxsize=8)
def priors_of(size_wh: tuple[int, int], device: torch.device | None = None) -> Tensor:
    """The detector's priors, `(P, 3)` float32 centre x, centre y, side in px, level by level, row by row."""
    return torch.from_numpy(make_priors(size_wh, STRIDES, PRIORS_PX).copy()).to(device)


@lru_cache(maxsize=8)
def level_starts(size_wh: tuple[int, int]) -> tuple[int, ...]:
    """Index of each level's first prior."""
    counts = [(size_wh[0] // stride) * (size_wh[1] // stride) for stride in STRIDES]
    return tuple(sum(counts[:level]) for level in range(len(STRIDES)))


def decode_boxes(priors: Tensor, loc: Tensor) -> Tensor:
    """Decodes `(..., 4)` regressions to xyxy in pixels, as `unionveil.detect.retinaface.decode` does."""
    side = priors[..., 2:]
    centre = priors[..., :2] + loc[..., :2] * VARIANCES[0] * side
    half = side * torch.exp((loc[..., 2:] * VARIANCES[1]).clamp(-20, 3)) / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def decode_points(priors: Tensor, landms: Tensor) -> Tensor:
    """Decodes `(N, 10)` regressions to `(N, 5, 2)` points in pixels."""
    points = landms.reshape(-1, 5, 2) * VARIANCES[0] * priors[:, None, 2:]
    return priors[:, None, :2] + points


def encode_points(priors: Tensor, points: Tensor) -> Tensor:
    """Encodes `(N, 5, 2)` points as `(N, 10)` regressions, the inverse of `decode_points`."""
    return ((points - priors[:, None, :2]) / (VARIANCES[0] * priors[:, None, 2:])).reshape(-1, 10)
