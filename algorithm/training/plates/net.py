"""The network that finds plates: a small encoder and decoder that gives a map of probabilities."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["STRIDE_PX", "Block", "PlateNet", "Whole", "loss"]

STRIDE_PX = 4
"""Pixels per value of the map."""

_WIDTHS = (16, 24, 48, 64, 80)
_DEPTHS = (1, 2, 3, 3)
_JOINED = 32

_FOCAL, _INSIDE, _LEAST_INSIDE = 4.0, 0.75, 50.0
"""Weight of the focal loss beside dice, of values inside cores in it, and the least divisor of their sum."""


class Block(nn.Module):
    """A convolution, added to its input if it fits (ResNet, arXiv:1512.03385).

    Dense convolutions: depthwise ones take twice as long here, since their gradients are slow on processors.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.is_residual = inputs == outputs and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    @property
    def weight(self) -> Tensor:
        """`(outputs, inputs, 3, 3)`: the weights of the convolution."""
        return self.layers[0].get_parameter("weight")

    def forward(self, features: Tensor) -> Tensor:
        """`(N, inputs, H, W)` to `(N, outputs, H / stride, W / stride)`."""
        changed: Tensor = self.layers(features)
        return features + changed if self.is_residual else changed


class PlateNet(nn.Module):
    """`(N, 3, H, W)` in [-1, 1], blue first, to logits `(N, 1, H / 4, W / 4)`; H and W divide by 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Block(3, _WIDTHS[0], 2)
        self.stages = nn.ModuleList(
            nn.Sequential(Block(before, after, 2), *(Block(after, after) for _ in range(depth)))
            for before, after, depth in zip(_WIDTHS[:-1], _WIDTHS[1:], _DEPTHS, strict=True)
        )
        self.sides = nn.ModuleList(nn.Conv2d(width, _JOINED, 1) for width in _WIDTHS[1:])
        self.merges = nn.ModuleList(Block(_JOINED, _JOINED) for _ in _WIDTHS[2:])
        self.head = nn.Sequential(Block(_JOINED, _JOINED), nn.Conv2d(_JOINED, 1, 1))
        nn.init.constant_(self.head[-1].bias, -3.0)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the cores of plates."""
        levels = []
        features = self.stem(images)
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        joined = self.sides[-1](levels[-1])
        for side, merge, level in zip(list(self.sides)[-2::-1], self.merges, levels[-2::-1], strict=True):
            joined = merge(side(level) + functional.interpolate(joined, scale_factor=2.0, mode="nearest"))
        logits: Tensor = self.head(joined)
        return logits


class Whole(nn.Module):
    """The network with its map in the size of the image, as probabilities: what is exported."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """`(N, 1, H, W)` in [0, 1]."""
        enlarged = functional.interpolate(
            self.net(images), scale_factor=float(STRIDE_PX), mode="bilinear", align_corners=False
        )
        return torch.sigmoid(enlarged)


def loss(logits: Tensor, core: Tensor, weight: Tensor) -> Tensor:
    """Focal loss (arXiv:1708.02002) of every value, per value in a core, and dice.

    Differentiable binarization's cross-entropy of the hardest values beside the cores did not leave one half
    everywhere in 600 steps.

    Args:
        logits: `(N, 1, S, S)`.
        core: the same shape, 1 inside the cores.
        weight: the same shape, 0 where the truth is unknown.
    """
    each = functional.binary_cross_entropy_with_logits(logits, core, reduction="none")
    probability = torch.sigmoid(logits)
    miss = torch.where(core > 0, 1 - probability, probability)
    balance = torch.where(core > 0, _INSIDE, 1 - _INSIDE)
    inside = (core * weight).sum()
    focal = (each * miss.square() * balance * weight).sum() / inside.clamp(min=_LEAST_INSIDE)
    seen = probability * weight
    dice = 1 - (2 * (seen * core).sum() + 1) / (seen.square().sum() + inside + 1)
    return _FOCAL * focal + dice
