"""Optimizers and their schedule: Muon for convolutions that mix channels, AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .model import FaceNet, units
from .muon import Muon

__all__ = ["augment_strength_at", "lr_at", "make_optimizers", "set_lr", "update_ema"]

_WARM_UP_STEPS = 200
_FINAL_LR = 0.01
"""Share of the peak learning rate left at the end."""

_ADAPTER_LR_SCALE = 5.0
"""Learning rate of the adapters over the network's: they start from zero."""

_NO_MOSAIC_FROM, _NO_MOSAIC_STRENGTH = 0.8, 0.3
"""Share of the run after which augmentation is weaker, and its strength from then on. YOLOX
(arXiv:2107.08430, section 2.1) turns mosaics off for its last epochs."""


def lr_at(progress: float, step: int, peak: float) -> float:
    """Learning rate: linear warm-up, then a cosine over the run (SGDR, arXiv:1608.03983, without restarts).

    Args:
        progress: share of the run that is over.
        step: steps taken, for the warm-up.
        peak: highest learning rate.
    """
    warm_up = min(1.0, (step + 1) / _WARM_UP_STEPS)
    cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return peak * warm_up * (_FINAL_LR + (1 - _FINAL_LR) * cosine)


def augment_strength_at(progress: float) -> float:
    """Augmentation strength, for `scene`, after a share of the run."""
    return 1.0 if progress < _NO_MOSAIC_FROM else _NO_MOSAIC_STRENGTH


def make_optimizers(
    model: FaceNet, adapters: nn.Module, lr: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Makes the optimizers; each group has `lr_scale`, its learning rate over the network's.

    Weights decay; biases, batch norm and adapters do not. The first layer is left to AdamW, as Muon's author
    advises for input layers.
    """
    mixing = [unit.conv.weight for name, unit in units(model) if unit.conv.groups == 1 and name != "stage4.0"]
    others = [p for p in model.parameters() if not any(p is weight for weight in mixing)]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": weight_decay, "lr_scale": 1.0},
        {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.0, "lr_scale": 1.0},
        {"params": list(adapters.parameters()), "weight_decay": 0.0, "lr_scale": _ADAPTER_LR_SCALE},
    ]
    return [
        Muon([{"params": mixing, "lr_scale": 1.0}], lr=lr, weight_decay=weight_decay),
        torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99)),
    ]


def set_lr(optimizers: Iterable[torch.optim.Optimizer], lr: float) -> None:
    """Sets every group's learning rate to `lr` times its `lr_scale`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]


@torch.no_grad()
def update_ema(ema: FaceNet, model: FaceNet, decay: float) -> None:
    """Updates the exponential moving average of the weights: `ema = decay * ema + (1 - decay) * model`."""
    target: dict[str, Tensor] = model.state_dict()
    moving, current = [], []
    for name, value in ema.state_dict().items():
        if value.is_floating_point():
            moving.append(value)
            current.append(target[name])
        else:
            value.copy_(target[name])
    torch._foreach_lerp_(moving, current, 1 - decay)
